// Shows /openapi.json. All text goes in as text, never as markup.

const METHODS = ["get", "post", "delete", "patch", "put"];

const make = (name, text = "", className = "") => {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  return element;
};

// `Code` in a description, as the document writes it.
const prose = (text, name = "p") => {
  const element = make(name);
  (text ?? "").split("`").forEach((piece, index) => element.append(index % 2 ? make("code", piece) : piece));
  return element;
};

const answer = await fetch("/openapi.json");
const api = await answer.json();

const resolve = (schema) =>
  schema?.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema ?? {};

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(typeOf).join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items ?? {})}[]`;
  return schema.type ?? "any";
}

function limitsOf(schema) {
  const names = ["default", "minimum", "maximum", "minLength", "maxLength", "pattern"];
  const known = [schema, ...(schema.anyOf ?? [])];
  return names
    .map((name) => [name, known.find((each) => each[name] !== undefined)?.[name]])
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

function rows(entries) {
  const table = make("table");
  for (const [name, required, schema, description] of entries) {
    const row = table.insertRow();
    row.insertCell().append(make("code", name), make("span", required ? " required" : "", "type"));
    const cell = row.insertCell();
    cell.append(make("span", [typeOf(schema), limitsOf(schema)].filter(Boolean).join(" · "), "type"));
    if (description) cell.append(prose(description, "div"));
  }
  return table;
}

function members(schema) {
  const model = resolve(schema);
  const required = new Set(model.required ?? []);
  const properties = Object.entries(model.properties ?? {});
  return rows(properties.map(([name, member]) => [name, required.has(name), member, member.description]));
}

function exampleOf(schema, depth = 0) {
  const model = resolve(schema);
  if (model.default !== undefined && model.default !== null) return model.default;
  if (model.const !== undefined) return model.const;
  if (model.enum) return model.enum[0];
  if (model.anyOf) return exampleOf(model.anyOf[0], depth);
  if (model.type === "object" && depth < 3) {
    const required = new Set(model.required ?? []);
    const wanted = Object.entries(model.properties ?? {}).filter(([name]) => required.has(name));
    return Object.fromEntries(wanted.map(([name, member]) => [name, exampleOf(member, depth + 1)]));
  }
  if (model.type === "integer") return model.minimum ?? 0;
  return { to: "test", digits: "123#" }[model.title?.toLowerCase()] ?? "…";
}

function curl(method, path, operation, type, body) {
  const parts = ["curl"];
  if (method !== "get") parts.push(`-X ${method.toUpperCase()}`);
  if (operation.responses["200"]?.content?.["text/event-stream"]) parts.push("-N");
  if (operation.security) parts.push('-H "Authorization: Bearer $TOKEN"');
  if (body) parts.push("--json", `'${JSON.stringify(exampleOf(body))}'`);
  else if (type) parts.push(`-H "Content-Type: ${type}"`, "--data-binary @FILE");
  parts.push(`${location.origin}${path}`);
  return parts.join(" ");
}

function showResponses(section, operation) {
  section.append(make("h4", "Answers"));
  const table = make("table");
  for (const [status, response] of Object.entries(operation.responses)) {
    const row = table.insertRow();
    row.insertCell().append(make("code", status));
    const cell = row.insertCell();
    cell.append(prose(response.description, "span"));
    const schema = Object.values(response.content ?? {})[0]?.schema;
    if (schema?.$ref && Number(status) < 400) {
      const inner = make("details");
      inner.append(make("summary", typeOf(schema)), members(schema));
      cell.append(inner);
    }
  }
  section.append(table);
}

function show(method, path, operation) {
  const node = document.querySelector("#operation").content.cloneNode(true);
  const part = (name) => node.querySelector(name);
  part(".method").textContent = method.toUpperCase();
  part(".method").classList.add(method);
  part(".path").textContent = path;
  part(".summary").textContent = operation.summary;
  part(".description").replaceWith(prose(operation.description));
  const parameters = operation.parameters ?? [];
  if (parameters.length) {
    part(".parameters").append(
      make("h4", "Parameters"),
      rows(parameters.map((each) => [`${each.name} (${each.in})`, each.required, each.schema, each.description])),
    );
  }
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  const body = type === "application/json" ? media.schema : undefined;
  if (type && !body) part(".request").append(make("h4", `Body: ${type}`));
  for (const schema of body?.anyOf ?? (body ? [body] : [])) {
    part(".request").append(make("h4", `Body: ${typeOf(schema)}`), prose(resolve(schema).description), members(schema));
  }
  showResponses(part(".responses"), operation);
  part(".curl").textContent = curl(method, path, operation, type, body);
  const details = part(".operation");
  details.id = operation.operationId;
  details.dataset.words = `${method} ${path} ${operation.summary} ${operation.description}`.toLowerCase();
  return node;
}

document.querySelector("#version").textContent = api.info.version;
document.querySelector("#summary").textContent = api.info.summary;
const main = document.querySelector("#operations");
for (const { name } of api.tags) {
  const group = make("section");
  group.append(make("h2", name));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => item[each]?.tags.includes(name))) {
      group.append(show(method, path, item[method]));
    }
  }
  main.append(group);
}
document.querySelector("#filter").addEventListener("input", ({ target }) => {
  const wanted = target.value.toLowerCase().split(/\s+/);
  for (const each of main.querySelectorAll(".operation")) {
    each.hidden = !wanted.every((word) => each.dataset.words.includes(word));
  }
});
if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
