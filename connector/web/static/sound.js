// The telephone of a call button, on the browser's own thread for sound: its samples to G.711 mu-law at 8 kHz, and back.
// The filters before and after it are call.js's.

const TELEPHONE_RATE = 8000;
const FRAME = 160;
// So much is kept before it is played, for frames do not come evenly; more than the most is late, and left out.
const KEPT = 0.06 * TELEPHONE_RATE;
const MOST_KEPT = 0.3 * TELEPHONE_RATE;
const BIAS = 33;
const LEVEL_EVERY = 0.1;

// ITU-T G.711, table 2: a sign, three bits for the segment, four within it, all of them inverted; of 14 bits.
function toMuLaw(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const size = Math.min(8158, Math.round(Math.abs(sample) * 8159)) + BIAS;
  const segment = Math.max(0, Math.floor(Math.log2(size)) - 5);
  const within = (size >> (segment + 1)) & 0x0f;
  return ~(sign | (segment << 4) | within) & 0xff;
}

const FROM_MU_LAW = Float32Array.from({ length: 256 }, (_, code) => {
  const found = ~code & 0xff;
  const segment = (found >> 4) & 7;
  const size = ((((found & 0x0f) << 1) + BIAS) << segment) - BIAS;
  return ((found & 0x80 ? -1 : 1) * size) / 8159;
});

class Telephone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.sum = 0;
    this.count = 0;
    this.phase = 0;
    this.queue = [];
    this.queued = 0;
    this.at = 0;
    this.part = 0;
    this.before = 0;
    this.next = 0;
    this.playing = false;
    this.levels = { spoken: 0, heard: 0 };
    this.toldAt = 0;
    this.port.onmessage = ({ data }) => this.take(new Uint8Array(data.frame));
  }

  take(frame) {
    this.queue.push(frame);
    this.queued += frame.length;
    if (this.queued <= MOST_KEPT) return;
    while (this.queued > 2 * KEPT && this.queue.length > 1) {
      this.queued -= this.queue.shift().length - this.at;
      this.at = 0;
    }
  }

  speak(samples) {
    for (const sample of samples) {
      this.levels.spoken = Math.max(this.levels.spoken, Math.abs(sample));
      this.sum += sample;
      this.count += 1;
      this.phase += TELEPHONE_RATE;
      if (this.phase < sampleRate) continue;
      this.phase -= sampleRate;
      this.frame[this.filled] = toMuLaw(this.sum / this.count);
      this.filled += 1;
      this.sum = this.count = 0;
      if (this.filled < FRAME) continue;
      this.port.postMessage({ frame: this.frame.buffer }, [this.frame.buffer]);
      this.frame = new Uint8Array(FRAME);
      this.filled = 0;
    }
  }

  pulled() {
    if (!this.playing && this.queued >= KEPT) this.playing = true;
    if (this.playing && this.queued === 0) this.playing = false;
    if (!this.playing) return 0;
    const frame = this.queue[0];
    const sample = FROM_MU_LAW[frame[this.at]];
    this.at += 1;
    this.queued -= 1;
    if (this.at === frame.length) {
      this.queue.shift();
      this.at = 0;
    }
    return sample;
  }

  hear(samples) {
    for (let each = 0; each < samples.length; each += 1) {
      this.part += TELEPHONE_RATE;
      while (this.part >= sampleRate) {
        this.part -= sampleRate;
        this.before = this.next;
        this.next = this.pulled();
      }
      const sample = this.before + (this.next - this.before) * (this.part / sampleRate);
      samples[each] = sample;
      this.levels.heard = Math.max(this.levels.heard, Math.abs(sample));
    }
  }

  process(inputs, outputs) {
    if (inputs[0].length) this.speak(inputs[0][0]);
    this.hear(outputs[0][0]);
    if (currentTime - this.toldAt > LEVEL_EVERY) {
      this.port.postMessage({ levels: this.levels });
      this.levels = { spoken: 0, heard: 0 };
      this.toldAt = currentTime;
    }
    return true;
  }
}

registerProcessor("telephone", Telephone);
