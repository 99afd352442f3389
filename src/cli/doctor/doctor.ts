/** `tenon doctor`: what is wrong with an APIService, or with any of them. */
import { readFileSync } from "node:fs";
import { serviceOf } from "../../aggregator/api-service.ts";
import { systemClock } from "../../api/machine.ts";
import type { Client } from "../../client/client.ts";
import { connect } from "../../client/connect.ts";
import type { APIService } from "../../kinds/generated/types.ts";
import { printOverview, printReport } from "./print.ts";
import type { Report } from "./report.ts";
import { APISERVICES, type WalkOptions, walk, walkFrom } from "./walk.ts";

export interface DoctorOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly output: "text" | "json";
  readonly proxyClientCertFile?: string;
  readonly proxyClientKeyFile?: string;
}

/** Exit codes: all is well, a link is broken, it could not be found out. */
const FINE = 0;
const BROKEN = 1;
const FAILED = 2;
/** APIServices looked at together. */
const AT_ONCE = 8;

/** Resolves to the exit code. `names` empty: every APIService that a Service stands behind. */
export async function doctor(names: readonly string[], options: DoctorOptions): Promise<number> {
  let client: Client | undefined;
  try {
    client = await connect({
      userAgent: "tenon-doctor",
      ...(options.kubeconfig !== undefined && { kubeconfig: options.kubeconfig }),
      ...(options.context !== undefined && { context: options.context }),
    });
    const asked: WalkOptions = { client, clock: systemClock, clientCertificate: certificateOf(options) };
    const reports = names.length > 0 ? await each(names, (name) => walk(name, asked)) : await everything(asked);
    const now = systemClock.now();
    if (options.output === "json") {
      console.log(JSON.stringify(names.length === 1 ? reports[0] : reports, null, 2));
    } else if (names.length > 0) {
      process.stdout.write(reports.map((report) => printReport(report, now)).join("\n"));
    } else if (reports.length === 0) console.log("no APIService has a Service behind it");
    else process.stdout.write(printOverview(reports, now));
    return reports.some(({ broken }) => broken !== undefined) ? BROKEN : FINE;
  } catch (error) {
    console.error(`tenon doctor: ${error instanceof Error ? error.message : error}`);
    return FAILED;
  } finally {
    await client?.close();
  }
}

async function everything(options: WalkOptions): Promise<Report[]> {
  const { items } = await options.client.resource<APIService>(APISERVICES).listAll();
  const remote = items.filter((apiService) => serviceOf(apiService) !== undefined);
  return await each(remote, (apiService) => walkFrom(apiService, options));
}

/** In order; a few at the same time. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function certificateOf({ proxyClientCertFile, proxyClientKeyFile }: DoctorOptions) {
  if (proxyClientCertFile === undefined || proxyClientKeyFile === undefined) return undefined;
  return { cert: readFileSync(proxyClientCertFile, "utf8"), key: readFileSync(proxyClientKeyFile, "utf8") };
}
