/** Loops over lists and maps. Those that macros make have shapes of their own, done without building a value for each step. */
import { ACCUMULATOR, type Comprehension, type Expr, OPERATOR } from "../syntax/ast.ts";
import { CelError, NO_SUCH_OVERLOAD } from "../values/errors.ts";
import { ListValue } from "../values/list.ts";
import { LiteralMap, MapValue } from "../values/map.ts";
import { goTypeName, type Value } from "../values/value.ts";
import { LIST_COST } from "./cost.ts";
import type { Eval, Frame } from "./frame.ts";
import { isConstant, type Plan, type Planner } from "./plan.ts";

export function planLoop(planner: Planner, loop: Comprehension): Plan {
  const bound = planBinding(planner, loop);
  if (bound !== undefined) return bound;
  const { slots } = planner;
  const range = planner.plan(loop.range).run;
  const init = planner.plan(loop.init);
  const accumulator = slots.declare(loop.accumulator);
  const first = slots.declare(loop.variable);
  const second = loop.variable2 === undefined ? -1 : slots.declare(loop.variable2);
  const start = starter(loop.init, init.run);
  const step = planStep(planner, loop, accumulator);
  if (second !== -1) slots.forget(loop.variable2!);
  slots.forget(loop.variable);
  const result = planner.plan(loop.result).run;
  slots.forget(loop.accumulator);
  return {
    run: (frame) => {
      const elements = range(frame);
      if (elements instanceof CelError) return elements;
      frame.slots[accumulator] = start(frame);
      if (elements instanceof ListValue) {
        for (let i = 0; i < elements.size; i++) {
          if (second === -1) frame.slots[first] = elements.get(i);
          else {
            frame.slots[first] = i;
            frame.slots[second] = elements.get(i);
          }
          if (!step(frame)) break;
        }
      } else if (elements instanceof MapValue) {
        for (const key of elements.keys()) {
          frame.slots[first] = key;
          if (second !== -1) frame.slots[second] = elements.find(key)!;
          if (!step(frame)) break;
        }
      } else return new CelError(`got '${goTypeName(elements)}', expected iterable type`);
      return result(frame);
    },
  };
}

/** A loop over nothing binds a name: its value is made when it is first asked for. */
function planBinding(planner: Planner, loop: Comprehension): Plan | undefined {
  if (loop.accumulator === ACCUMULATOR || loop.range.kind !== "list" || loop.range.elements.length > 0)
    return undefined;
  const init = planner.plan(loop.init).run;
  const slot = planner.slots.declare(loop.accumulator);
  planner.lazy.set(slot, init);
  const result = planner.plan(loop.result).run;
  planner.slots.forget(loop.accumulator);
  return {
    run: (frame) => {
      frame.slots[slot] = undefined as unknown as Value;
      return result(frame);
    },
  };
}

/** A literal that a macro gathers results in is made anew for each run. */
function starter(expr: Expr, run: Eval): Eval {
  if (expr.kind === "list" && expr.elements.length === 0) return () => new ListValue([]);
  if (expr.kind === "map" && expr.entries.length === 0) return () => new LiteralMap(new Map());
  return run;
}

/** One round: false ends the loop. Charges what upstream charges for the condition and the step of the macro's expansion. */
type Round = (frame: Frame) => boolean;

function planStep(planner: Planner, loop: Comprehension, accumulator: number): Round {
  const { condition, step } = loop;
  const quantifier = quantified(loop);
  if (quantifier !== undefined) return planQuantifier(planner, accumulator, quantifier);
  const test = planner.plan(condition);
  const always = isConstant(test) && test.constant === true;
  const next = planGathering(planner, loop, step, accumulator) ?? planner.plan(step).run;
  return (frame) => {
    if (!always && test.run(frame) === false) return false;
    frame.slots[accumulator] = next(frame);
    frame.charge(0);
    return true;
  };
}

interface Quantifier {
  readonly predicate: Expr;
  /** The answer that ends the loop. */
  readonly decisive: boolean;
}

/** What `all` and `exists` expand to. */
function quantified(loop: Comprehension): Quantifier | undefined {
  const { condition, step } = loop;
  if (loop.accumulator !== ACCUMULATOR || step.kind !== "call" || step.args.length !== 2) return undefined;
  if (condition.kind !== "call" || condition.name !== OPERATOR.notStrictlyFalse) return undefined;
  if (step.name === OPERATOR.and) return { predicate: step.args[1]!, decisive: false };
  return step.name === OPERATOR.or ? { predicate: step.args[1]!, decisive: true } : undefined;
}

function planQuantifier(planner: Planner, accumulator: number, { predicate, decisive }: Quantifier): Round {
  const test = planner.plan(predicate).run;
  // The condition looks at the accumulator, `exists` at its negation; the step looks at it again.
  const condition = decisive ? 3 : 2;
  return (frame) => {
    const sofar = frame.slots[accumulator]!;
    frame.charge(condition);
    if (sofar === decisive) return false;
    frame.cost += 1;
    const value = test(frame);
    if (value === decisive) frame.slots[accumulator] = decisive;
    else if (sofar instanceof CelError) return true;
    else if (typeof value === "boolean") frame.slots[accumulator] = !decisive;
    else frame.slots[accumulator] = value instanceof CelError ? value : NO_SUCH_OVERLOAD;
    return true;
  };
}

/** The step of `map`, `filter` and their kin, which adds to what only the loop can see, and may do so in place. */
function planGathering(planner: Planner, loop: Comprehension, step: Expr, accumulator: number): Eval | undefined {
  if (loop.accumulator !== ACCUMULATOR || step.kind !== "call") return undefined;
  if (step.name === OPERATOR.conditional) {
    const [filter, grow, keep] = step.args as [Expr, Expr, Expr];
    if (keep.kind !== "ident" || keep.name !== ACCUMULATOR) return undefined;
    const gather = planGathering(planner, loop, grow, accumulator);
    if (gather === undefined) return undefined;
    const test = planner.plan(filter).run;
    return (frame) => {
      const passes = test(frame);
      if (passes === true) return gather(frame);
      if (passes === false) return frame.slots[accumulator]!;
      return passes instanceof CelError ? passes : NO_SUCH_OVERLOAD;
    };
  }
  const target = step.args[0];
  if (target?.kind !== "ident" || target.name !== ACCUMULATOR) return undefined;
  if (step.name === OPERATOR.add && loop.init.kind === "list") return planAppend(planner, step.args[1]!, accumulator);
  if (step.name === "cel.@mapInsert" && loop.init.kind === "map") return planInsert(planner, step.args, accumulator);
  return undefined;
}

function planAppend(planner: Planner, added: Expr, accumulator: number): Eval | undefined {
  if (added.kind !== "list" || added.elements.length !== 1 || added.optional !== undefined) return undefined;
  const element = planner.plan(added.elements[0]!);
  // The accumulator, the list of one, and the sum of both; a list of a constant is a constant.
  const cost = isConstant(element) ? 2 : 2 + LIST_COST;
  return (frame) => {
    const sofar = frame.slots[accumulator]!;
    const value = element.run(frame);
    frame.cost += cost;
    if (!(sofar instanceof ListValue)) return sofar;
    if (value instanceof CelError) return value;
    (sofar.items as Value[]).push(value);
    return sofar;
  };
}

function planInsert(planner: Planner, args: Expr[], accumulator: number): Eval {
  const rest = args.slice(1).map((arg) => planner.plan(arg).run);
  return (frame) => {
    const sofar = frame.slots[accumulator]!;
    const values = rest.map((arg) => arg(frame));
    frame.cost += 2;
    if (!(sofar instanceof LiteralMap)) return sofar;
    const [key, value] = values as [Value, Value];
    if (key instanceof CelError) return key;
    if (value instanceof CelError) return value;
    if (value !== undefined) return sofar.insert(key, value, true);
    if (!(key instanceof MapValue)) return NO_SUCH_OVERLOAD;
    for (const entry of key.keys()) {
      const inserted = sofar.insert(entry, key.find(entry)!, true);
      if (inserted instanceof CelError) return inserted;
    }
    return sofar;
  };
}
