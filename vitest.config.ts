import { defineConfig } from "vitest/config";

const limits = { pool: "threads", testTimeout: 30_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    projects: [
      { test: { name: "rooms", include: ["src/**/*.test.ts", "tools/**/*.test.ts"], ...limits } },
      { test: { name: "interop", include: ["interop/**/*.test.ts"], globalSetup: ["interop/setup.ts"], ...limits } },
    ],
  },
});
