/** Where keys and certificates are kept: a folder on disk that several processes may open at once, or memory. */
import { randomInt } from "node:crypto";
import { link, mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { PKIError } from "./errors.ts";

/** Named contents. A name is written whole or not at all. */
export interface Folder {
  /** For messages. */
  readonly path: string;
  read(name: string): Promise<string | undefined>;
  /** Answers false, leaving what is there, when the name exists already: of several creators exactly one wins. */
  create(name: string, content: string, mode: number): Promise<boolean>;
  replace(name: string, content: string, mode: number): Promise<void>;
}

/** A folder on disk; made when absent. Contents are synced before they get their name, which they get by `link` (exclusive) or `rename`. */
export function diskFolder(path: string): Folder {
  const unreadable = (name: string, error: unknown) => {
    const detail = error instanceof Error ? error.message : String(error);
    return new PKIError("PKI_UNREADABLE", detail, join(path, name), error);
  };
  async function temporary(name: string, content: string, mode: number): Promise<string> {
    await mkdir(path, { recursive: true, mode: 0o755 });
    // A name no other process and no other call of this one uses.
    const file = join(path, `.${name}.${process.pid}.${randomInt(2 ** 40)}`);
    const handle = await open(file, "wx", mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return file;
  }
  return {
    path,
    async read(name) {
      try {
        return await readFile(join(path, name), "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw unreadable(name, error);
      }
    },
    async create(name, content, mode) {
      try {
        const file = await temporary(name, content, mode);
        try {
          await link(file, join(path, name));
          return true;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
          throw error;
        } finally {
          await unlink(file);
        }
      } catch (error) {
        throw unreadable(name, error);
      }
    },
    async replace(name, content, mode) {
      try {
        await rename(await temporary(name, content, mode), join(path, name));
      } catch (error) {
        throw unreadable(name, error);
      }
    },
  };
}

/** A folder that is gone with the process. */
export function memoryFolder(): Folder {
  const files = new Map<string, string>();
  return {
    path: "memory",
    read: async (name) => files.get(name),
    async create(name, content) {
      if (files.has(name)) return false;
      files.set(name, content);
      return true;
    },
    async replace(name, content) {
      files.set(name, content);
    },
  };
}
