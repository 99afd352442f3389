/** Prints the questions for the real calculator, one JSON object a line, after a line that names them. */
import { fingerprint, oracleCases } from "../../src/controllers/horizontal-pod-autoscaler/oracle-cases.test-support.ts";

const cases = oracleCases();
process.stdout.write(`${[fingerprint(cases), ...cases.map((one) => JSON.stringify(one))].join("\n")}\n`);
