// CLIP's byte-pair encoding: text -> token ids, with the miniature's table of merges.
"use strict";

// merges: lines "left right", in the order in which they are applied
clipcompat.Tokenizer = function (merges) {
  const { order, symbols } = byteSymbols();
  const vocabulary = order.concat(order.map((symbol) => symbol + "</w>"));
  vocabulary.push(...merges.map((line) => line.replace(" ", "")));
  const ids = Object.fromEntries(vocabulary.map((token, id) => [token, id]));
  const ranks = Object.fromEntries(merges.map((line, rank) => [line, rank]));
  this.sos = vocabulary.length;
  this.eot = vocabulary.length + 1;

  this.encode = function (text) {
    const clean = text.normalize("NFC").replace(/\s+/gu, " ").trim().toLowerCase();
    const words = clean.match(/'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu) || [];
    return words.flatMap((word) => pieces(Array.from(new TextEncoder().encode(word), (byte) => symbols[byte])));
  };

  function pieces(parts) {
    parts[parts.length - 1] += "</w>";
    for (;;) {
      const pairs = parts.slice(1).map((part, i) => ranks[parts[i] + " " + part] ?? Infinity);
      const best = Math.min(...pairs);
      if (best === Infinity) return parts.map((part) => ids[part]);
      const next = [];
      for (let i = 0; i < parts.length; i++) {
        const joined = pairs[i] === best;
        next.push(joined ? parts[i] + parts[i + 1] : parts[i]);
        if (joined) i++;
      }
      parts = next;
    }
  }
};

// A printable symbol per byte, as in GPT-2; order: the symbols as the vocabulary lists them, printable bytes first
function byteSymbols() {
  const printable = [[33, 126], [161, 172], [174, 255]].flatMap(([a, b]) => range(a, b + 1));
  const others = range(0, 256).filter((byte) => !printable.includes(byte));
  const symbols = new Array(256);
  printable.forEach((byte) => (symbols[byte] = String.fromCharCode(byte)));
  others.forEach((byte, i) => (symbols[byte] = String.fromCharCode(256 + i)));
  return { symbols, order: printable.concat(others).map((byte) => symbols[byte]) };
}

function range(start, end) {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
