"use strict";
const assert = require("node:assert/strict");
const { existsSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const test = require("node:test");

const source = join(__dirname, "src");

test("every file that the page loads is there", () => {
  const page = readFileSync(join(source, "index.html"), "utf8");
  const loaded = [...page.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, path]) => path);
  assert.deepEqual(loaded, ["assets/main.css", "assets/main.js"]);
  for (const path of loaded) assert.ok(existsSync(join(source, path)), path);
});
