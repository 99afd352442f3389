/** Prints the definition as a CustomResourceDefinition, for `kubectl apply -f -`. */
import { CronTab } from "./crontab.ts";

console.log(JSON.stringify(CronTab.toCRD(), null, 2));
