/** The environment expressions of Kubernetes 1.36 have, before the variables of a place are added. */
import { Functions, type Overload } from "../check/declarations.ts";
import { type Environment, STANDARD_TYPES } from "../check/environment.ts";
import { type CelType, opaque } from "../check/types.ts";
import { Macros, OPTIONALS, SORT_BY, STANDARD, TWO_VARIABLES } from "../syntax/macros.ts";
import { FORMAT_FUNCTIONS } from "./formats.ts";
import { KUBERNETES_LIST_FUNCTIONS, LIST_FUNCTIONS, SET_FUNCTIONS } from "./lists.ts";
import { NET_FUNCTIONS } from "./net.ts";
import { OPTIONAL_FUNCTIONS } from "./optional.ts";
import { QUANTITY_FUNCTIONS } from "./quantity.ts";
import { REGEX_FUNCTIONS, TWO_VARIABLE_FUNCTIONS } from "./regex.ts";
import { SEMVER_FUNCTIONS } from "./semver.ts";
import { STANDARD_FUNCTIONS } from "./standard.ts";
import { STRING_FUNCTIONS } from "./strings.ts";
import { URL_FUNCTIONS } from "./urls.ts";

/** Names that are types and can be compared with `type(x)`. */
const TYPES = ["net.IP", "net.CIDR"];

let environment: Environment | undefined;

/** Made once. */
export function kubernetesEnvironment(): Environment {
  environment ??= {
    functions: new Functions(
      STANDARD_FUNCTIONS,
      OPTIONAL_FUNCTIONS,
      STRING_FUNCTIONS,
      KUBERNETES_LIST_FUNCTIONS,
      LIST_FUNCTIONS,
      SET_FUNCTIONS,
      REGEX_FUNCTIONS,
      TWO_VARIABLE_FUNCTIONS,
      URL_FUNCTIONS,
      QUANTITY_FUNCTIONS,
      NET_FUNCTIONS,
      FORMAT_FUNCTIONS,
      SEMVER_FUNCTIONS,
    ),
    macros: new Macros(STANDARD, OPTIONALS, TWO_VARIABLES, SORT_BY),
    variables: new Map(),
    types: new Map([
      ...STANDARD_TYPES,
      ...TYPES.map((name): [string, ReturnType<typeof opaque>] => [name, opaque(name)]),
    ]),
    container: "",
    checkLiterals: true,
  };
  return environment;
}

export interface EnvironmentOptions {
  /** The variables of a place, in the order their values are given in. */
  readonly variables: ReadonlyMap<string, CelType>;
  /** Functions beside Kubernetes' own, such as those of the authorizer. */
  readonly functions?: readonly Overload[];
  /** Types that may be named. */
  readonly types?: ReadonlyMap<string, CelType>;
}

/** Kubernetes' environment and what a place adds to it. */
export function createEnvironment({ variables, functions, types }: EnvironmentOptions): Environment {
  const base = kubernetesEnvironment();
  return {
    ...base,
    variables,
    functions: functions === undefined ? base.functions : base.functions.with(functions),
    types: types === undefined ? base.types : new Map([...base.types, ...types]),
  };
}
