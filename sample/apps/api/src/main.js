"use strict";
// What `nx build api` leaves behind: one bundle, no dependencies but the runtime's own SDK.
const { DynamoDBClient, ScanCommand, GetItemCommand } = require("@aws-sdk/client-dynamodb");

const dynamodb = new DynamoDBClient({});
const { STAGE, FRONTEND_URL, PRODUCTS_TABLE, ORDERS_TABLE, CARTS_TABLE } = process.env;

const reply = (statusCode, body) => ({
  statusCode,
  headers: { "content-type": "application/json", "access-control-allow-origin": FRONTEND_URL },
  body: JSON.stringify(body),
});

const one = (TableName, Key) =>
  dynamodb.send(new GetItemCommand({ TableName, Key })).then(({ Item }) => Item ?? null);

const routes = [
  [/^GET \/health$/, async () => reply(200, { stage: STAGE, ok: true })],
  [/^GET \/products$/, async () => {
    const { Items } = await dynamodb.send(new ScanCommand({ TableName: PRODUCTS_TABLE, Limit: 50 }));
    return reply(200, Items);
  }],
  [/^GET \/carts\/([\w-]+)$/, async ([, id]) => reply(200, await one(CARTS_TABLE, { cartId: { S: id } }))],
  [/^GET \/orders\/([\w-]+)\/([\w-]+)$/, async ([, customer, order]) =>
    reply(200, await one(ORDERS_TABLE, { customerId: { S: customer }, orderId: { S: order } }))],
];

exports.handler = async (event) => {
  const request = `${event.requestContext.http.method} ${event.rawPath}`;
  for (const [pattern, handle] of routes) {
    const match = request.match(pattern);
    if (match) return handle(match);
  }
  return reply(404, { message: `no route for ${request}` });
};
