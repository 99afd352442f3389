/** FlowSchemas and PriorityLevelConfigurations are answered as kube-apiserver 1.36.3 answers them. */
import { join } from "node:path";
import type { ResourceDefinition } from "../../server/resource.ts";
import { replayCreates } from "../replay.test-support.ts";
import { flowSchemas } from "./flow-schema.ts";
import { priorityLevelConfigurations } from "./priority-level-configuration.ts";

const definitions = [flowSchemas(), priorityLevelConfigurations()] as ResourceDefinition[];
replayCreates(join(import.meta.dirname, "testdata", "answers.jsonl"), definitions, 50);
