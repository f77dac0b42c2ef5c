"use strict";
// The page works without this; it opens what a link points at, and sends what “Try it” says.

const token = document.getElementById("token");

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.matches("details")) {
    target.open = true;
    target.scrollIntoView();
  }
}

// What one form knows the others need not ask again.
function share(name, value) {
  for (const input of document.querySelectorAll(`input[data-in="path"][name="${name}"]`)) input.value = value;
}

function learn(answer) {
  if (answer === null || typeof answer !== "object") return;
  const inner = answer.data ?? answer.payload ?? {};
  const found = answer.auth_token ?? inner.access_token;
  if (found) token.value = found;
  if (inner.account_id) share("account_id", inner.account_id);
  if (inner.call_id) share("call_id", inner.call_id);
  if (inner.call_uuid) share("call_uuid", inner.call_uuid);
}

function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const options = { method: form.dataset.verb, headers: {}, cache: "no-store" };
  for (const input of form.elements) {
    const { name, value } = input;
    if (!value.trim()) continue;
    if (input.dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (input.dataset.in === "query") query.append(name, value);
    else if (input.dataset.in === "pairs") for (const [key, inner] of new URLSearchParams(value)) query.append(key, inner);
    else if (input.dataset.in === "header") options.headers[name] = value;
    else if (input.dataset.in === "body") {
      options.headers["Content-Type"] = form.dataset.kind;
      options.body = value;
    }
  }
  const given = token.value.trim();
  if (given && form.dataset.token === "Bearer") options.headers.Authorization = `Bearer ${given}`;
  else if (given && form.dataset.token === "X-Auth-Token") options.headers["X-Auth-Token"] = given;
  const text = query.toString();
  return [text ? `${path}?${text}` : path, options];
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const shown = form.querySelector("output");
  const button = form.querySelector("button");
  button.disabled = true;
  shown.textContent = "…";
  try {
    const [url, options] = requestOf(form);
    const response = await fetch(url, options);
    let text = await response.text();
    try {
      const answer = JSON.parse(text);
      if (response.ok) learn(answer);
      text = JSON.stringify(answer, null, 2);
    } catch { /* not JSON: as it came */ }
    const pre = document.createElement("pre");
    pre.tabIndex = 0;
    pre.textContent = `${options.method} ${url}\n${response.status} ${response.statusText}\n\n${text}`;
    shown.replaceChildren(pre);
  } catch (error) {
    shown.textContent = `Nothing came back: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

for (const form of document.forms) form.addEventListener("submit", send);
for (const input of document.querySelectorAll('input[data-in="path"]')) {
  input.addEventListener("change", () => share(input.name, input.value));
}
for (const select of document.querySelectorAll("select.example")) {
  select.addEventListener("change", () => { select.form.querySelector("textarea").value = select.value; });
}
for (const pre of document.querySelectorAll("pre.curl")) {
  pre.textContent = pre.textContent.replaceAll("http://127.0.0.1:8000", location.origin);
}
addEventListener("hashchange", openTarget);
openTarget();
