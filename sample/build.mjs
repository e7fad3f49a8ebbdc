// Builds one app: its sources have no dependencies but what the runtime or the browser has, so they are what is
// deployed. `manifests/` refers to the output.
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

const app = process.argv[2];
if (!["api", "web"].includes(app)) {
  console.error(`usage: node build.mjs api|web, not \`${app}\``);
  process.exit(2);
}
const output = join(import.meta.dirname, "manifests", "dist", "apps", app);
rmSync(output, { recursive: true, force: true });
cpSync(join(import.meta.dirname, "apps", app, "src"), output, { recursive: true });
console.log(`built ${app}`);
