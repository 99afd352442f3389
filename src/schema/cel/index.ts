/** The Common Expression Language as Kubernetes has it: validation rules on schemas. Imported when a rule exists, never before. */
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
