/** The rules of a schema (x-kubernetes-validations) held against an object: which run, in what order, on what budget, and how their failures are told (spec: apiserver 8.6). */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  child,
  duplicate,
  type FieldError,
  forbiddenField,
  invalidValue,
  OMITTED,
  Printed,
  ROOT,
  required,
} from "../api/field-errors.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { isObject } from "../api/json/object.ts";
import { utf8Length } from "../api/json/utf8.ts";
import type { JSONValue } from "../api/meta.ts";
import { MAX_CAUSES } from "../api/status.ts";
import type { Budget, Compiled, Declaration, Program } from "./cel/index.ts";
import { Correlated, KeyedItems } from "./correlation.ts";
import type { DefinitionSchema } from "./definition-schema.ts";
import { findField } from "./field-path.ts";
import { RULES, type SchemaNode } from "./node.ts";

type Engine = typeof import("./cel/index.ts");

let engine: Engine | undefined;

/** Loads the expression language, once for the process. */
export async function loadEngine(): Promise<Engine> {
  engine ??= await import("./cel/index.ts");
  return engine;
}

/** Cost after which others get their turn: some ten milliseconds. */
const SLICE = 100_000;
/** What compiling a rule counts for. */
const COMPILE_COST = 5_000;

/** One rule as the schema writes it. */
interface Rule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

interface CompiledRule {
  readonly rule: Rule;
  readonly compiled: Compiled<boolean>;
  /** undefined: there is no message expression, or it does not compile. */
  readonly message: Program<string> | undefined;
  /** Below the node; undefined: the node itself. */
  readonly path: string | undefined;
}

/** The rules of one schema, compiled one node at a time when a value reaches it. */
export class Rules {
  readonly #root: SchemaNode;
  readonly #resource: boolean;
  readonly #compiled = new Map<SchemaNode, readonly CompiledRule[]>();
  readonly #declarations = new Map<SchemaNode, Declaration | undefined>();

  constructor(root: SchemaNode, resource: boolean) {
    this.#root = root;
    this.#resource = resource;
  }

  /** All at once. Throws when the engine was not loaded. `budget`: when it is shared with others. */
  errors(value: JSONValue, old?: JSONValue, budget?: Budget): FieldError[] {
    if (!this.#root.contains(RULES)) return [];
    if (engine === undefined) throw new Error("the schema has rules: loadEngine() first");
    const run = new Run(this, engine, undefined, budget);
    const slices = this.#slices(run, value, old);
    while (!slices.next().done) {}
    return run.errors;
  }

  /**
   * What the rules say about `value`, which was `old`; failures where nothing changed go to `warn`. Loads the expression language when it is needed for
   * the first time. Others get their turn between rules; one rule may take a tenth of the budget at once.
   */
  async errorsInSlices(value: JSONValue, old?: JSONValue, warn?: (text: string) => void): Promise<FieldError[]> {
    if (!this.#root.contains(RULES)) return [];
    const run = new Run(this, await loadEngine(), warn);
    for (const _ of this.#slices(run, value, old)) await nextTurn();
    return run.errors;
  }

  #slices(run: Run, value: JSONValue, old: JSONValue | undefined): Generator<void> {
    const current = old === undefined ? undefined : new Correlated(value, old, this.#root);
    return run.visit(this.#root, this.#resource, value, old, { current, parent: undefined });
  }

  /** What expressions see of a node; undefined: nothing, and of what lies below neither. */
  declaration(engine: Engine, node: SchemaNode, resource: boolean): Declaration | undefined {
    if (!this.#declarations.has(node)) {
      this.#declarations.set(node, engine.declareSchema(node.schema, resource));
    }
    return this.#declarations.get(node);
  }

  /** undefined: not compiled yet. */
  compiled(node: SchemaNode): readonly CompiledRule[] | undefined {
    return this.#compiled.get(node);
  }

  compile(engine: Engine, node: SchemaNode, resource: boolean): readonly CompiledRule[] {
    const declaration = this.declaration(engine, node, resource);
    const rules = (node.schema["x-kubernetes-validations"] ?? []) as unknown as readonly Rule[];
    const compiled = declaration === undefined ? [] : rules.map((rule) => compile(engine, rule, declaration, node));
    this.#compiled.set(node, compiled);
    return compiled;
  }
}

function compile(engine: Engine, rule: Rule, declaration: Declaration, node: SchemaNode): CompiledRule {
  const optionalOldSelf = rule.optionalOldSelf === true;
  const input = (expression: string) => ({ expression, declaration, optionalOldSelf });
  const message = rule.messageExpression ? engine.compileMessageExpression(input(rule.messageExpression)) : undefined;
  return {
    rule,
    compiled: engine.compileRule(input(rule.rule)),
    message: message !== undefined && "program" in message ? message.program : undefined,
    path: rule.fieldPath ? pathBelow(node, rule.fieldPath) : undefined,
  };
}

/** A path that leads nowhere, as stored definitions may have it, is as good as none. */
function pathBelow(node: SchemaNode, text: string): string | undefined {
  const found = findField(text, node.schema as DefinitionSchema);
  return typeof found === "string" ? undefined : found.path || undefined;
}

/** Where the value stands beside what it was: itself, or the nearest thing around it that has a counterpart. */
interface Standing {
  readonly current: Correlated | undefined;
  readonly parent: Correlated | undefined;
}

const OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run";

/** One object on one budget. */
class Run {
  readonly errors: FieldError[] = [];
  readonly #rules: Rules;
  readonly #budget: Budget;
  readonly #engine: Engine;
  readonly #warn: ((text: string) => void) | undefined;
  readonly #steps: string[] = [];
  #stopped = false;
  /** What was spent since others had their turn. */
  #spent = 0;

  constructor(rules: Rules, loaded: Engine, warn: ((text: string) => void) | undefined, budget?: Budget) {
    this.#rules = rules;
    this.#engine = loaded;
    this.#budget = budget ?? { remaining: loaded.RUNTIME_COST_BUDGET };
    this.#warn = warn;
  }

  /** Yields when it has taken long enough. */
  *visit(
    node: SchemaNode,
    resource: boolean,
    value: JSONValue,
    old: JSONValue | undefined,
    standing: Standing,
  ): Generator<void> {
    if (value === null || !node.contains(RULES)) return;
    if (node.schema["x-kubernetes-validations"] !== undefined) this.#evaluate(node, resource, value, old, standing);
    if (this.#spent++ > SLICE) {
      this.#spent = 0;
      yield;
    }
    if (Array.isArray(value)) yield* this.#list(node, value, old, standing);
    else if (isObject(value)) yield* this.#object(node, value, old, standing);
  }

  *#list(node: SchemaNode, list: JSONValue[], old: JSONValue | undefined, standing: Standing): Generator<void> {
    const { items } = node;
    if (items === undefined || !items.contains(RULES)) return;
    const oldItems = Array.isArray(old) ? new KeyedItems(old, node) : undefined;
    for (const [index, item] of list.entries()) {
      if (this.#stopped) return;
      this.#steps.push(`[${index}]`);
      const next = below(standing, (one) => one.index(index));
      yield* this.visit(items, items.embedded, item, oldItems?.like(item), next);
      this.#steps.pop();
    }
  }

  *#object(
    node: SchemaNode,
    object: Readonly<Record<string, JSONValue>>,
    old: JSONValue | undefined,
    standing: Standing,
  ): Generator<void> {
    const oldOf = (name: string) => (isObject(old) && Object.hasOwn(old, name) ? old[name] : undefined);
    const { additional } = node;
    if (additional?.contains(RULES)) {
      for (const name of Object.keys(object)) {
        if (this.#stopped) return;
        this.#steps.push(`[${name}]`);
        yield* this.visit(additional, additional.embedded, object[name]!, oldOf(name), stepTo(standing, name));
        this.#steps.pop();
      }
    }
    if (!node.hasProperties) return;
    for (const name of Object.keys(object)) {
      if (this.#stopped) return;
      const property = node.property(name);
      if (property === undefined || !property.contains(RULES)) continue;
      if (this.#rules.declaration(this.#engine, property, property.embedded) === undefined) continue;
      this.#steps.push(`.${name}`);
      yield* this.visit(property, property.embedded, object[name]!, oldOf(name), stepTo(standing, name));
      this.#steps.pop();
    }
  }

  #evaluate(
    node: SchemaNode,
    resource: boolean,
    value: JSONValue,
    old: JSONValue | undefined,
    standing: Standing,
  ): void {
    let rules = this.#rules.compiled(node);
    if (rules === undefined) {
      rules = this.#rules.compile(this.#engine, node, resource);
      this.#spent += rules.length * COMPILE_COST;
    }
    if (rules.length === 0) return;
    const type = node.schema.type ?? "";
    if (this.#budget.remaining <= 0) {
      this.#stop(OUT_OF_BUDGET, type);
      return;
    }
    const { remaining } = this.#budget;
    for (const one of rules) {
      if (this.#stopped) break;
      this.#hold(one, type, value, old ?? undefined, standing);
    }
    this.#spent += remaining - this.#budget.remaining;
  }

  #hold(
    { rule, compiled, message, path }: CompiledRule,
    type: string,
    value: JSONValue,
    old: JSONValue | undefined,
    standing: Standing,
  ): void {
    if ("error" in compiled) {
      this.#add(invalidValue(this.#field(), type, `rule compile error: ${compiled.error}`));
      return;
    }
    const { program } = compiled;
    if (program.usesOldSelf && old === undefined && rule.optionalOldSelf !== true) return;
    const result = program.evaluate(value, old, this.#budget);
    if (this.#budget.remaining < 0) {
      this.#stop(OUT_OF_BUDGET, type);
      return;
    }
    if (result === true) return;
    if (result !== false) {
      this.#failed(result.error, rule, type);
      return;
    }
    const field = path === undefined ? this.#field() : child(this.#field(), path);
    const report = (error: FieldError) => {
      if (!program.usesOldSelf && (standing.current ?? standing.parent)?.unchanged() === true) {
        this.#warn?.(`${error.field}: ${error.message}`);
      } else this.#add(error);
    };
    let detail: string | undefined;
    if (message !== undefined) {
      const text = message.evaluate(value, old, this.#budget);
      const cancelled =
        typeof text === "object" && text.error.startsWith("operation cancelled: actual cost limit exceeded");
      if (this.#budget.remaining < 0 || cancelled) {
        const reason =
          this.#budget.remaining < 0
            ? "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
            : `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${JSON.stringify(rule.messageExpression)}`;
        report(invalidValue(field, type, reason));
        this.#stopped = true;
        return;
      }
      if (typeof text === "string") detail = this.#sound(text.trim());
    }
    report(errorOf(rule, field, type, value, detail ?? messageOf(rule)));
  }

  /** The text of a message expression, when it may be shown; undefined for none. */
  #sound(text: string): string | undefined {
    const shown = text !== "" && !text.includes("\n") && utf8Length(text) <= this.#engine.MAX_MESSAGE_BYTES;
    return shown ? text : undefined;
  }

  #failed(error: string, rule: Rule, type: string): void {
    const text = sourceOf(rule);
    if (error.startsWith("no such overload")) {
      const detail = `'${error}': call arguments did not match a supported operator, function or macro signature for rule: ${text}`;
      this.#add(invalidValue(this.#field(), type, detail));
    } else if (error.startsWith("operation cancelled: actual cost limit exceeded")) {
      const detail = `'${error}': no further validation rules will be run due to call cost exceeds limit for rule: ${text}`;
      this.#stop(detail, type);
    } else this.#add(invalidValue(this.#field(), type, `${error} evaluating rule: ${text}`));
  }

  #stop(detail: string, type: string): void {
    this.#add(invalidValue(this.#field(), type, detail));
    this.#stopped = true;
  }

  #add(error: FieldError): void {
    this.errors.push(error);
    if (this.errors.length > MAX_CAUSES) this.#stopped = true;
  }

  #field(): string {
    const path = this.#steps.join("");
    if (path === "") return ROOT;
    return path.startsWith(".") ? path.slice(1) : path;
  }
}

function below(standing: Standing, step: (current: Correlated) => Correlated | undefined): Standing {
  return standing.current === undefined ? standing : { current: step(standing.current), parent: standing.current };
}

/** Both versions of an object have been converted to the same type: a change of apiVersion or kind cannot be seen. */
function stepTo(standing: Standing, name: string): Standing {
  if (standing.current !== undefined && standing.parent === undefined && (name === "apiVersion" || name === "kind")) {
    return { current: undefined, parent: undefined };
  }
  return below(standing, (one) => one.key(name));
}

function sourceOf(rule: Rule): string {
  return (rule.message || rule.rule).trim();
}

function messageOf(rule: Rule): string {
  return rule.message ? rule.message.trim() : `failed rule: ${sourceOf(rule)}`;
}

/** Structures are not shown. */
function errorOf(rule: Rule, field: string, type: string, value: JSONValue, detail: string): FieldError {
  const structure = type === "object" || type === "array";
  const shown = structure ? OMITTED : typeof value === "object" ? new Printed(stringifySorted(value)) : value;
  switch (rule.reason) {
    case "FieldValueForbidden":
      return forbiddenField(field, detail);
    case "FieldValueRequired":
      return required(field, detail);
    case "FieldValueDuplicate":
      return duplicate(field, shown);
    default:
      return invalidValue(field, shown, detail);
  }
}
