"use strict";
const $ = (id) => document.getElementById(id);
const kept = (key, value) => (value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value));
let world = null;

async function ask(path, body) {
  const answer = await fetch("sim/" + path, body ? { method: "POST", body: JSON.stringify(body) } : undefined);
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error || answer.statusText);
  return told;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { $("notice").hidden = true; }, 4000);
}

const name = (p) => (p ? [p.first_name || p.title, p.last_name].filter(Boolean).join(" ") : "");
const me = () => Number($("person").value);
const here = () => Number($("chat").value || me());

function fill(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}

function fillChats() {
  const chats = world.chats.filter((c) => c.members.includes(me()));
  fill($("chat"), [[me(), world.bot.first_name + " (private)"], ...chats.map((c) => [c.id, `${c.title} (${c.type})`])], kept("chat"));
  if (!$("chat").value) $("chat").selectedIndex = 0;
  fillTopics();
}

function fillTopics() {
  const topics = (world.chats.find((c) => c.id === here()) || { topics: [] }).topics;
  $("topic-label").hidden = !topics.length;
  fill($("topic"), [["", "General"], ...topics.map((t) => [t, "Topic " + t])], "");
}

/* Text with its entities; offsets are UTF-16 units, as JavaScript counts. */
function rich(text, entities) {
  const out = document.createElement("div");
  const tags = { bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre" };
  let at = 0;
  out.className = "text";
  for (const e of [...(entities || [])].sort((a, b) => a.offset - b.offset)) {
    if (e.offset < at) continue;
    out.append(text.slice(at, e.offset));
    const part = document.createElement(tags[e.type] || "span");
    part.textContent = text.slice(e.offset, e.offset + e.length);
    if (e.type === "bot_command") {
      part.className = "command";
      part.onclick = () => { $("text").value = part.textContent + " "; $("text").focus(); };
    }
    out.append(part);
    at = e.offset + e.length;
  }
  out.append(text.slice(at));
  return out;
}

function buttons(message) {
  const box = document.createElement("div");
  box.className = "buttons";
  for (const row of message.reply_markup?.inline_keyboard || []) {
    const line = document.createElement("div");
    for (const b of row) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = b.text;
      button.className = b.style || "";
      button.onclick = () => press(message, b);
      line.append(button);
    }
    box.append(line);
  }
  return box;
}

async function press(message, button) {
  if (button.url) return void window.open(button.url, "_blank", "noopener");
  if (button.copy_text) return void navigator.clipboard.writeText(button.copy_text.text).then(() => notice("Copied"));
  const { callback_query_id: id } = await ask("press", { from: me(), chat: here(), message_id: message.message_id, data: button.callback_data });
  for (let i = 0; i < 50; i++) {
    const { answer } = await ask("callback/" + id);
    if (answer) return notice(answer.text);
    await new Promise((done) => setTimeout(done, 200));
  }
  notice("no answer to the button");
}

function bubble(m) {
  const box = document.createElement("div");
  const who = m.from || m.sender_chat;
  box.className = "message" + (who?.id === me() ? " mine" : "");
  box.dataset.id = m.message_id;
  const head = Object.assign(document.createElement("div"), { className: "who", textContent: name(who) + (m.message_thread_id ? ` · topic ${m.message_thread_id}` : "") });
  const foot = Object.assign(document.createElement("div"), { className: "when", textContent: new Date(m.date * 1000).toLocaleTimeString() + (m.edit_date ? " · edited" : "") });
  box.append(head);
  if (m.document) {
    const link = Object.assign(document.createElement("a"), { href: "sim/file/" + m.document.file_id, download: m.document.file_name, textContent: `${m.document.file_name} (${m.document.file_size} bytes)` });
    box.append(link);
  }
  box.append(rich(m.text || m.caption || "", m.entities || m.caption_entities), buttons(m), foot);
  return box;
}

async function draw() {
  const chat = here();
  const { messages } = await ask("chat/" + chat);
  if (chat !== here()) return;
  const box = $("messages");
  const low = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  box.replaceChildren(...messages.slice(-300).map(bubble));
  if (!messages.length) box.append(Object.assign(document.createElement("p"), { className: "empty", textContent: "Nothing here yet. Write /start or /help." }));
  if (low) box.scrollTop = box.scrollHeight;
  world = await ask("world");
  const menu = Object.entries(world.menus).filter(([scope]) => scope.includes("default") || scope.includes(String(chat))).flatMap(([, list]) => list);
  $("menu").replaceChildren(...menu.map((c) => Object.assign(document.createElement("option"), { value: "/" + c.command, label: c.description })));
}

/* What is chosen goes along, with the text as its caption. */
async function chosen() {
  const file = $("file").files[0];
  if (!file) return undefined;
  const url = await new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, type: file.type || "application/octet-stream", base64: url.slice(url.indexOf(",") + 1) };
}

$("form").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (!text.trim() && !$("file").files.length) return;
  try {
    const document = await chosen();
    $("text").value = $("file").value = "";
    await ask("message", { from: me(), chat: here(), text, document, topic: $("topic").value || undefined });
  } catch (e) {
    notice(e.message);
  }
};
$("person").onchange = () => { kept("person", me()); fillChats(); draw(); };
$("chat").onchange = () => { kept("chat", here()); fillTopics(); draw(); };

(async () => {
  world = await ask("world");
  fill($("person"), world.people.map((p) => [p.id, name(p)]), kept("person"));
  if (!$("person").value) $("person").selectedIndex = 0;
  fillChats();
  await draw();
  new EventSource("sim/events").onmessage = () => draw().catch((e) => notice(e.message));
})();
