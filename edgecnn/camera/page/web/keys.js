/* The keyboard. */

const KEYS = [
  ["space", "pause, go on"], ["s", "snapshot"], ["b", "boxes"], ["l", "labels"], ["t", "trails"], ["k", "key points"],
  ["m", "masks"], ["z", "lines and zones"], ["c", "next camera"], ["f", "full screen"], ["?", "this help"],
];

function showKeys(list) {
  for (const [key, does] of KEYS) list.append(make("div", {}, make("dt", {}, make("kbd", { text: key })), make("dd", { text: does })));
}

/** Calls `actions[key]`, but where a key means something already: in a field, on a button, in a dialog. */
function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target.closest("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]");
    if (field || document.querySelector("dialog[open]")) return;
    if (event.key === " " && event.target.closest("button, a, summary, input, .log")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.repeat) return;
    event.preventDefault();
    action();
  });
}
