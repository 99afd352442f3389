/** The environment expressions of Kubernetes 1.36 have, before the variables of a place are added. */
import { Functions } from "../check/declarations.ts";
import { type Environment, STANDARD_TYPES } from "../check/environment.ts";
import { opaque } from "../check/types.ts";
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
