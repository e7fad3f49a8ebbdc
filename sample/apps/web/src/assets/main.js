const products = document.querySelector("#products");
const response = await fetch(`${globalThis.API_URL ?? ""}/products`);
for (const product of await response.json()) {
  const item = document.createElement("li");
  item.textContent = `${product.name?.S} (${product.price?.N})`;
  products.append(item);
}
