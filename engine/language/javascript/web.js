// What a snippet may expect of its surroundings beyond the language itself, as browsers and Node have it: text and bytes,
// base64, clones, microtasks. Anything that an engine brings along stays as it is.
//
// It runs after the prelude, so the memory that it asks for is counted like the snippet's own.
() => {
  "use strict";

  const { fromCharCode } = String;
  const { isArray } = Array;
  const { keys, defineProperty } = Object;

  const failure = (name, message) => {
    const error = new Error(message);
    defineProperty(error, "name", { __proto__: null, value: name, configurable: true, writable: true });
    return error;
  };

  const textOf = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 4096) text += fromCharCode.apply(null, bytes.subarray(i, i + 4096));
    return text;
  };

  const btoa = (data) => {
    const text = String(data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 255) throw failure("InvalidCharacterError", "btoa: a character is beyond U+00FF");
      bytes[i] = code;
    }
    return bytes.toBase64();
  };

  const atob = (data) => {
    let bytes;
    try {
      bytes = Uint8Array.fromBase64(String(data));
    } catch {
      throw failure("InvalidCharacterError", "atob: this is not base64");
    }
    return textOf(bytes);
  };

  // UTF-8 as the Encoding Standard has it: half a pair becomes U+FFFD.
  const codePointOf = (text, at) => {
    const code = text.codePointAt(at);
    return code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
  };

  const sizeOf = (code) => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

  const write = (code, size, bytes, at) => {
    if (size === 1) {
      bytes[at] = code;
      return;
    }
    bytes[at] = (0xf00 >> size) & 0xff | code >> 6 * (size - 1);
    for (let i = 1; i < size; i++) bytes[at + i] = 0x80 | code >> 6 * (size - 1 - i) & 0x3f;
  };

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(source = "") {
      const text = String(source);
      let length = 0;
      for (let i = 0; i < text.length; i++) {
        const code = codePointOf(text, i);
        if (code > 0xffff) i++;
        length += sizeOf(code);
      }
      const bytes = new Uint8Array(length);
      this.encodeInto(text, bytes);
      return bytes;
    }
    encodeInto(source, bytes) {
      const text = String(source);
      let read = 0;
      let written = 0;
      while (read < text.length) {
        const code = codePointOf(text, read);
        const size = sizeOf(code);
        if (written + size > bytes.length) break;
        write(code, size, bytes, written);
        written += size;
        read += code > 0xffff ? 2 : 1;
      }
      return { read, written };
    }
  }

  // The bytes that may follow a lead byte, as [how many, least and most of the first of them].
  const followers = (lead) => {
    if (lead >= 0xc2 && lead <= 0xdf) return [1, 0x80, 0xbf];
    if (lead >= 0xe0 && lead <= 0xef) return [2, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf];
    if (lead >= 0xf0 && lead <= 0xf4) return [3, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf];
    return null;
  };

  class TextDecoder {
    #fatal;
    #ignoreBOM;
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      if (!/^\s*(?:unicode-1-1-)?utf-?8\s*$/i.test(label)) throw new RangeError(`the encoding '${label}' is not available: only utf-8 is`);
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }
    get encoding() {
      return "utf-8";
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }
    decode(source = new Uint8Array(0), { stream = false } = {}) {
      if (stream) throw new TypeError("TextDecoder cannot decode a stream: give it all bytes at once");
      const bytes = ArrayBuffer.isView(source)
        ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
        : new Uint8Array(source);
      const parts = [];
      let units = [];
      const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
      let at = hasMark && !this.#ignoreBOM ? 3 : 0;
      while (at < bytes.length) {
        const [code, length] = this.#character(bytes, at);
        at += length;
        if (code > 0xffff) units.push(0xd800 + (code - 0x10000 >> 10), 0xdc00 + (code - 0x10000 & 0x3ff));
        else units.push(code);
        if (units.length > 4096) {
          parts.push(fromCharCode.apply(null, units));
          units = [];
        }
      }
      parts.push(fromCharCode.apply(null, units));
      return parts.join("");
    }
    #character(bytes, at) {
      const lead = bytes[at];
      if (lead < 0x80) return [lead, 1];
      const found = followers(lead);
      if (found === null) return this.#broken(1);
      let [count, least, most] = found;
      let code = lead & 0x3f >> count;
      for (let i = 1; i <= count; i++) {
        const byte = bytes[at + i];
        if (!(byte >= least && byte <= most)) return this.#broken(i);
        code = code << 6 | byte & 0x3f;
        [least, most] = [0x80, 0xbf];
      }
      return [code, count + 1];
    }
    #broken(length) {
      if (this.#fatal) throw new TypeError("the bytes are not valid utf-8");
      return [0xfffd, length];
    }
  }

  const errors = { __proto__: null, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

  const structuredClone = (value) => clone(value, new Map());

  const clone = (value, seen) => {
    if (typeof value === "function" || typeof value === "symbol") {
      throw failure("DataCloneError", `a ${typeof value} cannot be cloned`);
    }
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => {
      seen.set(value, copy);
      return copy;
    };
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (value instanceof DataView) return keep(new DataView(clone(value.buffer, seen), value.byteOffset, value.byteLength));
    if (ArrayBuffer.isView(value)) {
      return keep(new value.constructor(clone(value.buffer, seen), value.byteOffset, value.length));
    }
    if (value instanceof Boolean || value instanceof Number || value instanceof String) return keep(Object(value.valueOf()));
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
      throw failure("DataCloneError", `a ${value.constructor.name} cannot be cloned`);
    }
    if (value instanceof Map) {
      const copy = keep(new Map());
      for (const [key, item] of [...value]) copy.set(clone(key, seen), clone(item, seen));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set());
      for (const item of [...value]) copy.add(clone(item, seen));
      return copy;
    }
    if (value instanceof Error) {
      const copy = keep(new (errors[value.name] ?? Error)(value.message));
      if ("cause" in value) defineProperty(copy, "cause", { __proto__: null, value: clone(value.cause, seen), configurable: true, writable: true });
      return copy;
    }
    const copy = keep(isArray(value) ? new Array(value.length) : {});
    for (const key of keys(value)) {
      defineProperty(copy, key, { __proto__: null, value: clone(value[key], seen), configurable: true, enumerable: true, writable: true });
    }
    return copy;
  };

  const settled = Promise.resolve();
  const queueMicrotask = (callback) => {
    if (typeof callback !== "function") throw new TypeError("queueMicrotask needs a function");
    settled.then(() => {
      try {
        callback();
      } catch (error) {
        console.error(error);
      }
    });
  };

  const offered = { atob, btoa, TextEncoder, TextDecoder, structuredClone, queueMicrotask };
  for (const name of keys(offered)) {
    if (name in globalThis) continue;
    defineProperty(globalThis, name, { value: offered[name], configurable: true, writable: true });
  }
}
