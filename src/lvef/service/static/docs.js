// Renders openapi.json as a page. Text is always set as text, so it cannot become markup.
"use strict";

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// An element that scrolls where it is too wide, with the keyboard too.
function scrolling(name, label) {
  const made = element(name, undefined, "scroll");
  made.tabIndex = 0;
  made.setAttribute("role", "group");
  made.setAttribute("aria-label", label);
  return made;
}

function plain(text) {
  return text.replaceAll("`", "");
}

function resolved(page, value) {
  const path = value && value.$ref;
  if (!path) return value || {};
  return path.slice(2).split("/").reduce((inner, key) => inner[key], page);
}

function typeOf(page, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(page, one)).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.format === "binary") return "file";
  if (schema.type === "array") return "list of " + typeOf(page, schema.items || {});
  return [].concat(schema.type || "any").join(" or ");
}

function table(label, head, rows) {
  const box = scrolling("div", label);
  const made = box.appendChild(element("table"));
  const top = made.appendChild(element("thead")).appendChild(element("tr"));
  head.forEach((word) => top.appendChild(element("th", word)));
  const body = made.appendChild(element("tbody"));
  rows.forEach((row) => {
    const line = body.appendChild(element("tr"));
    row.forEach((cell) => line.appendChild(element("td", cell)));
  });
  return box;
}

function fields(page, schema) {
  const properties = resolved(page, schema).properties || {};
  return Object.entries(properties).map(([name, one]) => [name, typeOf(page, one), one.description || ""]);
}

function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

// The example of a route as a curl command.
function curl(page, base, path, method, route) {
  const words = ["curl"];
  if (method !== "GET") words.push("-X " + method);
  if (page.security && !(route.security && route.security.length === 0)) words.push('-H "X-API-Key: $LVEF_API_KEY"');
  const content = (route.requestBody && route.requestBody.content) || {};
  for (const [kind, body] of Object.entries(content)) {
    if (kind === "application/json") {
      words.push("-H 'Content-Type: application/json'", "-d " + quoted(JSON.stringify(body.example)));
    } else {
      for (const [name, value] of Object.entries(body.example || {})) {
        [].concat(value).forEach((one) => words.push("-F " + name + "=" + (Array.isArray(value) ? "@" : "") + one));
      }
    }
  }
  words.push(base + path.replace(/\{(\w+)\}/g, (_, name) => "$" + name.toUpperCase()));
  return words.join(" ");
}

function describe(page, base, path, method, route) {
  const section = element("section");
  section.id = method + path;
  const title = section.appendChild(element("h2"));
  title.append(element("span", method, "method " + method), path);
  section.appendChild(element("p", route.summary || ""));
  if (route.description) section.appendChild(element("p", plain(route.description)));
  for (const [kind, body] of Object.entries((route.requestBody && route.requestBody.content) || {})) {
    section.appendChild(element("h3", "Request body, " + kind));
    section.appendChild(table("Request body", ["Field", "Type", "Description"], fields(page, body.schema)));
  }
  section.appendChild(element("h3", "Example"));
  section.appendChild(scrolling("pre", "Example")).appendChild(element("code", curl(page, base, path, method, route)));
  section.appendChild(element("h3", "Responses"));
  section.appendChild(table("Responses", ["Status", "Description"],
    Object.entries(route.responses).map(([status, one]) => [status, one.description || ""])));
  const good = Object.entries(route.responses).find(([status]) => status.startsWith("2"));
  const schema = good && good[1].content && good[1].content["application/json"];
  const rows = schema ? fields(page, schema.schema) : [];
  if (rows.length) {
    section.appendChild(element("h3", "Response body"));
    section.appendChild(table("Response body", ["Field", "Type", "Description"], rows));
  }
  return section;
}

function draw(page) {
  const base = location.origin + location.pathname.replace(/\/docs\/?$/, "");
  document.getElementById("version").textContent = page.info.version;
  const introduction = document.getElementById("introduction");
  page.info.description.split(/\n\s*\n/).forEach((text) => introduction.appendChild(element("p", plain(text))));
  const main = document.getElementById("routes");
  const contents = document.getElementById("contents");
  main.replaceChildren();
  for (const [path, methods] of Object.entries(page.paths)) {
    for (const [name, route] of Object.entries(methods)) {
      const method = name.toUpperCase();
      main.appendChild(describe(page, base, path, method, route));
      const link = contents.appendChild(element("li")).appendChild(element("a"));
      link.href = "#" + method + path;
      link.append(element("span", method, "method " + method), path);
    }
  }
}

fetch("openapi.json").then((answer) => answer.json()).then(draw).catch(() => {
  document.getElementById("routes").replaceChildren(element("p", "openapi.json could not be loaded."));
});
