"use strict";
const assert = require("node:assert/strict");
const Module = require("node:module");
const test = require("node:test");

// The runtime's own SDK, as far as the API calls it.
const items = { products: [{ name: { S: "Mug" }, price: { N: "9" } }] };
const sdk = {
  DynamoDBClient: class {
    send(command) {
      return command.answer();
    }
  },
  ScanCommand: class {
    constructor({ TableName }) {
      this.answer = async () => ({ Items: items[TableName] });
    }
  },
  GetItemCommand: class {
    answer() {
      return Promise.resolve({});
    }
  },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === "@aws-sdk/client-dynamodb" ? sdk : load(name, ...rest));
Object.assign(process.env, { STAGE: "test", PRODUCTS_TABLE: "products", FRONTEND_URL: "https://shop" });
const { handler } = require("./src/main.js");

const get = (rawPath) => handler({ rawPath, requestContext: { http: { method: "GET" } } });

test("it says that it is well, and which stage it is", async () => {
  const answer = await get("/health");
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(JSON.parse(answer.body), { stage: "test", ok: true });
  assert.equal(answer.headers["access-control-allow-origin"], "https://shop");
});

test("it lists the products of its table", async () => {
  assert.deepEqual(JSON.parse((await get("/products")).body), items.products);
});

test("an unknown order is null, and an unknown path 404", async () => {
  assert.equal((await get("/orders/ada/7")).body, "null");
  assert.equal((await get("/nowhere")).statusCode, 404);
});
