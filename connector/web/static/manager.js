// Live figures by server-sent events. Without it every page shows the figures of the moment it was asked for.

const LIVE = "[data-live]";
// As connector/words.py names them.
const LOCALES = { en: "en-GB", de: "de-DE", es: "es-ES" };

function each(name, work) {
  for (const found of document.querySelectorAll(`[data-live="${name}"]`)) work(found);
}

// As connector/core/formats.py writes it: to the smallest coin, half up, and less than a unit exactly.
function money(
  micros,
  sums = document.body.dataset.sums,
  digits = Number(document.body.dataset.digits),
  language = LOCALES[document.documentElement.lang],
) {
  if (micros === null) return "\u2013";
  const size = Math.abs(micros);
  const exact = size < 1e6;
  const amount = exact ? size / 1e6 : Math.round(size / 10 ** (6 - digits)) / 10 ** digits;
  const most = exact ? 6 : digits;
  const form = new Intl.NumberFormat(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: most,
    useGrouping: "always",
  });
  return `${micros < 0 ? "-" : ""}${sums.replace("#", form.format(amount))}`;
}

function length(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

function cell(row, text, amount) {
  const made = row.insertCell();
  made.dataset.label = row.closest("table").tHead.rows[0].cells[made.cellIndex].textContent;
  made.textContent = text;
  if (amount) made.className = "amount";
  return made;
}

function hangUp(body, call) {
  const button = document.createElement("button");
  button.textContent = body.dataset.end;
  button.setAttribute("aria-label", `${body.dataset.end}: ${call.called}`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await fetch(`/api/v1/calls/${encodeURIComponent(call.id)}`, {
      method: "DELETE",
      headers: { "X-CSRF-Token": body.dataset.csrf },
    });
    if (!answer.ok) {
      button.textContent = body.dataset.failed;
      button.title = (await answer.json()).detail;
    }
  });
  return button;
}

// A row is made once and then only brought up to date, so that a button does not move away under the finger.
function rows(body, now) {
  const seen = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  for (const call of now.calls) {
    let row = seen.get(call.id);
    if (!row || !row.dataset.made) {
      row?.remove();
      row = body.insertRow();
      row.dataset.id = call.id;
      row.dataset.made = "yes";
      const link = document.createElement("a");
      link.href = `/profiles/${encodeURIComponent(call.username)}`;
      link.textContent = call.profile;
      cell(row, "").append(link);
      cell(row, body.dataset[call.direction]);
      cell(row, call.caller_id || call.button);
      cell(row, call.called);
      cell(row, "", true);
      cell(row, "", true);
      const last = cell(row, "");
      if (body.dataset.mayEnd === "yes") last.append(hangUp(body, call));
    }
    row.cells[4].textContent = call.answered_at === null ? body.dataset.ringing : length(Date.parse(now.at) - Date.parse(call.answered_at));
    row.cells[5].textContent = money(call.cost_micros);
    seen.delete(call.id);
  }
  for (const row of seen.values()) row.remove();
}

function show(now) {
  each("total", (found) => (found.textContent = now.total));
  each("in-use", (found) => (found.textContent = now.in_use[found.dataset.profile] ?? 0));
  each("meter", (found) => (found.value = now.in_use[found.dataset.profile] ?? 0));
  each("burn", (found) => (found.textContent = money(now.burn_micros[found.dataset.profile] ?? 0)));
  each("none", (found) => (found.hidden = now.total > 0));
  each("table", (found) => (found.hidden = now.total === 0));
  each("calls", (found) => rows(found, now));
}

if (document.querySelector(LIVE)) {
  const source = new EventSource(`/api/v1/events?company=${document.body.dataset.company}`);
  source.addEventListener("now", (event) => show(JSON.parse(event.data)));
  addEventListener("pagehide", () => source.close());
}

// A part of a page that is not done yet is asked for again until it is.
async function again(part) {
  const answer = await fetch(location.href);
  const found = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
  if (!found) return;
  part.replaceChildren(...found.childNodes);
  if (found.dataset.again) setTimeout(again, found.dataset.again * 1000, part);
}

for (const part of document.querySelectorAll("[data-again]")) setTimeout(again, part.dataset.again * 1000, part);

// What is to be pasted elsewhere has a button that copies it.
function select(found) {
  const range = document.createRange();
  range.selectNodeContents(found);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

function label(button, word) {
  button.textContent = word;
  button.setAttribute("aria-label", `${word}: ${button.dataset.of}`);
}

async function copy(found, button) {
  let word = document.body.dataset.copied;
  try {
    await navigator.clipboard.writeText(found.textContent);
  } catch {
    // Without https a browser has no clipboard for scripts: the old way, and if that fails the text is selected.
    select(found);
    if (!document.execCommand("copy")) word = document.body.dataset.selected;
  }
  label(button, word);
  setTimeout(label, 2000, button, document.body.dataset.toCopy);
}

for (const found of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.dataset.of = found.dataset.copy;
  label(button, document.body.dataset.toCopy);
  button.addEventListener("click", () => copy(found, button));
  found.after(button);
}

// What a form would do is shown while it is filled in: the page that asks before it is done has it.
async function quote(form, shown) {
  const mark = (form.dataset.asked = String(Number(form.dataset.asked ?? 0) + 1));
  shown.replaceChildren();
  if (!form.checkValidity()) return;
  const body = new URLSearchParams(new FormData(form));
  if ("look" in form.dataset) body.append("look", "1");
  const answer = await fetch(location.href, { method: "POST", body }).catch(() => null);
  const text = answer?.ok || answer?.status === 422 ? await answer.text() : "";
  if (form.dataset.asked !== mark) return;
  const found = new DOMParser().parseFromString(text, "text/html");
  const parts = found.querySelectorAll("main dl.sum, main .notice.bad[role=alert], main .wrong");
  shown.replaceChildren(...parts);
}

for (const form of document.querySelectorAll("[data-quote]")) {
  const shown = document.getElementById(form.dataset.quote);
  let wait = 0;
  const soon = () => {
    clearTimeout(wait);
    wait = setTimeout(quote, 300, form, shown);
  };
  form.addEventListener("input", soon);
  if (form.checkValidity()) soon();
}

// Of a row of a route only what its step needs is to be filled in.
for (const step of document.querySelectorAll("[data-step]")) {
  const fit = () => {
    const chosen = step.selectedOptions[0].dataset;
    for (const [name, needed] of [["which", "typed" in chosen], ["seconds", "rings" in chosen]]) {
      const field = step.form.elements[step.name.replace("what", name)];
      field.closest("td").classList.toggle("unneeded", !needed);
      if (name === "seconds") field.placeholder = chosen.rings ?? "";
    }
  };
  step.addEventListener("change", fit);
  fit();
}

// Keys: / to search, g and a letter to a page of the menu (data-go), Esc out of a field or a folded part.
let went = 0;

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "Escape") {
    field?.blur();
    document.querySelector("nav details[open]")?.removeAttribute("open");
    return;
  }
  if (field) return;
  if (event.key === "/") {
    const found = [...document.querySelectorAll("input[type=search]")].find((each) => each.checkVisibility?.() ?? each.offsetParent);
    if (found) {
      event.preventDefault();
      found.focus();
      found.select();
    }
  } else if (event.key === "g") {
    went = event.timeStamp;
  } else if (event.timeStamp - went < 1500) {
    went = 0;
    document.querySelector(`.side [data-go="${CSS.escape(event.key)}"]`)?.click();
  }
});

// An error says which field it is about: that one has the focus.
document.querySelector("[aria-invalid=true]")?.focus();
