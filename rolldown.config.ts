/** The `tenon` command in a few files instead of three hundred: a start spends most of its time on finding modules. Packages stay outside. */
import { defineConfig } from "rolldown";

export default defineConfig({
  input: { main: "src/cli/main.ts", "sqlite-worker": "src/store/engines/sqlite-worker.ts" },
  platform: "node",
  external: (id) => !id.startsWith(".") && !id.startsWith("/"),
  output: {
    dir: "dist/bin",
    format: "esm",
    // Beside the entries: the worker and the command are found relative to whoever asks for them.
    chunkFileNames: "[name]-[hash].js",
    cleanDir: true,
  },
});
