/** `tenon/testing`: a real API server inside a test. */

export { SimulatedClock, seededRandom } from "../api/simulated.ts";
export { startControlPlane, type TestControlPlane, type TestControlPlaneOptions } from "./control-plane.ts";
