// A call by a call button: the microphone to a websocket, the websocket to the loudspeaker (sound.js is their telephone).

const part = (id) => document.getElementById(id);
const [state, clock, levels, call, hangUp, mute, keypad] =
  ["state", "clock", "levels", "call", "hang-up", "mute", "keypad"].map(part);
// What it says, in the language of the page.
const WORDS = state.dataset;
// Loud enough to be something that is meant to be heard.
const AUDIBLE = 0.02;
const SOUND_WITHIN = 5000;
// More than this waits to be sent: the way is too slow, and what is late is of no use.
const MOST_WAITING = 8000;
// One second of every five, at 425 Hz (ITU-T E.180).
const TONE = { hertz: 425, lasts: 1, every: 5, loud: 0.08 };

let up = null;

function say(words, bad = false) {
  state.textContent = words;
  state.classList.toggle("bad", bad);
}

function show(calling) {
  call.hidden = calling;
  hangUp.hidden = mute.hidden = levels.hidden = keypad.hidden = !calling;
  clock.hidden = true;
  (calling ? hangUp : call).focus();
}

function lowPass(context) {
  // Half the rate of the telephone is 4 kHz: what is above would be heard as something else.
  return new BiquadFilterNode(context, { type: "lowpass", frequency: 3400 });
}

function ringing(context) {
  const buffer = context.createBuffer(1, context.sampleRate * TONE.every, context.sampleRate);
  const samples = buffer.getChannelData(0);
  const length = context.sampleRate * TONE.lasts;
  for (let at = 0; at < length; at += 1) {
    const soft = Math.min(1, at / 400, (length - at) / 400);
    samples[at] = TONE.loud * soft * Math.sin((2 * Math.PI * TONE.hertz * at) / context.sampleRate);
  }
  const tone = new AudioBufferSourceNode(context, { buffer, loop: true });
  tone.connect(context.destination);
  return tone;
}

async function telephone(context, microphone) {
  await context.audioWorklet.addModule("/static/sound.js");
  const worklet = new AudioWorkletNode(context, "telephone", { outputChannelCount: [1], channelCount: 1,
    channelCountMode: "explicit" });
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: microphone });
  source.connect(lowPass(context)).connect(lowPass(context)).connect(worklet);
  worklet.connect(lowPass(context)).connect(lowPass(context)).connect(context.destination);
  return worklet;
}

function noSound(error) {
  if (error.name === "NotAllowedError") return WORDS.forbidden;
  if (error.name === "NotFoundError") return WORDS.noMicrophone;
  return WORDS.noSound;
}

async function begin() {
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    say(WORDS.old, true);
    return;
  }
  call.disabled = true;
  say(WORDS.allow);
  const context = new AudioContext();
  const resumed = context.resume();  // at once: some browsers allow it right after the click only
  let microphone = null;
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio: {
      echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
    const worklet = await telephone(context, microphone);
    await Promise.race([resumed, new Promise((_, no) => { setTimeout(no, SOUND_WITHIN, new Error("no sound")); })]);
    connect({ microphone, context, worklet, tone: null, talkedFrom: null, ticks: null });
  } catch (error) {
    for (const track of microphone?.getTracks() ?? []) track.stop();
    context.close();
    say(noSound(error), true);
  } finally {
    call.disabled = false;
    if (up === null) call.focus();
  }
}

function connect(mine) {
  const where = new URL(`${location.pathname.replace(/\/$/, "")}/sound`, location.href);
  where.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(where, ["call"]);
  socket.binaryType = "arraybuffer";
  mine.socket = socket;
  mine.worklet.port.onmessage = ({ data }) => {
    if (data.frame && socket.readyState === WebSocket.OPEN && socket.bufferedAmount < MOST_WAITING) {
      socket.send(data.frame);
    }
    if (data.levels) {
      if (data.levels.heard > AUDIBLE) quiet(mine);  // Asterisk may ring too, or the other end speak already
      part("spoken").value = data.levels.spoken;
      part("heard").value = data.levels.heard;
    }
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") told(mine, JSON.parse(data));
    else mine.worklet.port.postMessage({ frame: data }, [data]);
  };
  microphoneOf(mine).onended = () => say(WORDS.gone, true);
  socket.onclose = () => over(mine, mine.talkedFrom === null ? WORDS.closed : WORDS.cut, true);
  up = mine;
  say(WORDS.calling);
  show(true);
}

function microphoneOf(mine) {
  return mine.microphone.getAudioTracks()[0];
}

function told(mine, { state: found, why }) {
  if (found === "ringing") {
    say(WORDS.rings);
    mine.tone = ringing(mine.context);
    mine.tone.start();
  } else if (found === "talking") {
    quiet(mine);
    mine.talkedFrom = Date.now();
    mine.ticks = setInterval(() => clocked(mine), 1000);
    say(WORDS.connected);
    clocked(mine);
  } else if (found === "over") {
    over(mine, why, mine.talkedFrom === null);
  }
}

function quiet(mine) {
  mine.tone?.stop();
  mine.tone = null;
}

function clocked(mine) {
  const seconds = Math.floor((Date.now() - mine.talkedFrom) / 1000);
  clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  clock.hidden = false;
}

function over(mine, words, bad) {
  if (mine === null || up !== mine) return;
  up = null;
  clearInterval(mine.ticks);
  mine.socket.close();
  microphoneOf(mine).onended = null;
  for (const track of mine.microphone.getTracks()) track.stop();
  mine.context.close();
  mute.setAttribute("aria-pressed", "false");
  call.textContent = WORDS.again;
  say(words, bad);
  show(false);
}

function muted() {
  const quiet = mute.getAttribute("aria-pressed") !== "true";
  mute.setAttribute("aria-pressed", String(quiet));
  for (const track of up?.microphone.getTracks() ?? []) track.enabled = !quiet;
}

keypad.addEventListener("click", ({ target }) => {
  const socket = up?.socket;
  if (target.dataset.key && socket?.readyState === WebSocket.OPEN) socket.send(target.dataset.key);
});
// Each takes the other's place: a key that is held down would dial and hang up without end.
for (const each of [call, hangUp]) {
  each.addEventListener("keydown", (event) => { if (event.repeat) event.preventDefault(); });
}
call.addEventListener("click", begin);
hangUp.addEventListener("click", () => over(up, WORDS.over, false));
mute.addEventListener("click", muted);
say(WORDS.ready);
call.hidden = false;
