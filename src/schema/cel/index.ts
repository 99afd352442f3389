/** The Common Expression Language as Kubernetes has it: validation rules on schemas. Imported when a rule exists, never before. */

/** For expressions that are no rules: variables, functions and types of a place of its own. */
export { type CompileError, compile, type Expression } from "./compile.ts";
export { createEnvironment, type EnvironmentOptions } from "./library/kubernetes.ts";
export { JSON_PATCH_FUNCTIONS } from "./library/regex.ts";
export {
  type Budget,
  type Compiled,
  compileMessageExpression,
  compileRule,
  type Declaration,
  declareSchema,
  MAX_MESSAGE_BYTES,
  PER_CALL_LIMIT,
  type Program,
  RUNTIME_COST_BUDGET,
  type RuleFailure,
  type RuleInput,
} from "./rule.ts";
