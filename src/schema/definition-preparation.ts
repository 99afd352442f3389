/** The slow part of checking a definition, done between other work: patterns and rules are compiled here, and only looked up later. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { compiledRule, declarationOf, type RuleEngine } from "./definition-rules.ts";
import { type DefinitionSchema, someSchema } from "./definition-schema.ts";
import { definitionSchemaErrors } from "./definition-validation.ts";
import { patternProblem, patternSize } from "./pattern-rules.ts";

/** Work after which others get a turn: instructions of patterns, or characters of rules. */
const TURN = 20_000;
/** What a rule costs beside its characters: the types it is checked against. */
const RULE = 500;

/** Compiles all patterns of the schemas, and the rules of those that are sound, in turns. Nothing is reported. */
export async function prepareSchemas(
  schemas: readonly DefinitionSchema[],
  engine: RuleEngine | undefined,
): Promise<void> {
  let work = 0;
  const turn = async (more: number) => {
    work += more;
    if (work < TURN) return;
    work = 0;
    await nextTurn();
  };
  const patterns = new Set<string>();
  const withRules: { node: DefinitionSchema; root: DefinitionSchema }[] = [];
  for (const root of schemas) {
    someSchema(root, (node) => {
      if (node.pattern) patterns.add(node.pattern);
      if (engine !== undefined && node["x-kubernetes-validations"]) withRules.push({ node, root });
      return false;
    });
  }
  for (const pattern of patterns) {
    await turn(patternSize(pattern));
    patternProblem(pattern);
  }
  if (engine === undefined || withRules.length === 0) return;
  const sound = new Map(schemas.map((schema) => [schema, definitionSchemaErrors(schema, "", ALL).length === 0]));
  for (const { node, root } of withRules) {
    if (!sound.get(root)) continue;
    const declaration = declarationOf(engine, node, node === root);
    for (const rule of declaration ? node["x-kubernetes-validations"]! : []) {
      await turn(RULE + rule.rule.length + (rule.messageExpression ?? "").length);
      compiledRule(engine, rule, declaration!);
    }
  }
}

const ALL = {
  status: false,
  structural: true,
  prunedDefaults: true,
  validTypes: true,
  atomicSets: true,
  mapKeys: true,
  engine: undefined,
};
