import { cel, index, item, jsonata, secret, typed, workflow } from "#builder";

interface Row {
  sku: string;
  price: number;
}

export const order = workflow<{ customer: string; rows: Row[]; shop: string }>({ name: "Order", tags: ["shop"] });

const start = order.add("Start", "start");
const prices = order.add("MapReduce", "prices", { items: order.inputs.rows, concurrency: 5, reduce: "$sum(items)" });
const price = order.add("Transform", "price", { expression: jsonata`${typed<Row>(item).price} * (${index} = 0 ? 0.9 : 1)` });
const large = order.add("Condition", "large", { condition: cel`${prices.output} > ${100}` });
const approval = order.add("HumanApproval", "approval", { prompt: `Sell to ${order.inputs.customer} for ${prices.output}?`, timeout: "3 days" });
const refusal = order.add("Set", "refusal", { values: { sold: false, why: approval.output.comment } });
const book = order.add(
  "HttpRequest",
  "book",
  {
    method: "POST",
    url: `${order.inputs.shop}/orders`,
    auth: { type: "bearer", token: secret("SHOP_TOKEN") },
    body: { total: prices.output, rows: order.inputs.rows },
  },
  { name: "Book the order", settings: { retry: { maximum_attempts: 5, initial_interval: "1s" }, timeout: "10s" } },
);
const sorry = order.add("Set", "sorry", { values: { sold: false, why: book.failure.message } });
const end = order.add("End", "end");

start.to(prices);
prices.on("body").to(price);
price.to(prices.in("return"));
prices.on("done").to(large);
large.on("true").to(approval);
large.on("false").to(book);
approval.on("approved").to(book);
approval.on("rejected").to(refusal).to(end);
approval.on("timeout").to(refusal);
book.to(end);
book.on("error").to(sorry).to(end);
