/* What was found, drawn over the picture: coordinates are pixels of the camera's frame. */

const POINT_SCORE = 0.2;
const MASK_SIDE = 480;
const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
/* Below these widths, in CSS pixels, plates are smaller and say less. */
const NARROW = 520;
const TINY = 340;
const PLACE_COLOUR = "#ffd166";

/** Everything of one frame. `context` is in CSS pixels already; `scale` is CSS pixels a frame pixel.
 *  `look`: {layers, hidden, colourOf(item), places}. */
function drawFound(context, frame, scale, look) {
  const items = (frame.detections ?? []).filter((item) => !look.hidden.has(item.label)).reverse();
  const inner = items.flatMap((item) => (item.then ?? []).filter((one) => !one.whole_frame && !look.hidden.has(one.label)));
  const all = [...items, ...inner];
  context.lineJoin = "round";
  context.lineCap = "round";
  if (look.layers.masks) for (const item of all) if (item.mask) drawMask(context, item, frame, scale, look.colourOf(item));
  if (look.layers.places) drawPlaces(context, frame, scale, look.places);
  if (look.layers.trails) {
    for (const trail of frame.trails ?? []) if (!look.hidden.has(trail.label)) drawTrail(context, trail, scale, look.colourOf(trail));
  }
  if (look.layers.boxes) for (const item of all) drawBox(context, item, frame, scale, look.colourOf(item));
  if (look.layers.points) for (const item of all) if (item.keypoints) drawKeyPoints(context, item, scale, look.colourOf(item));
  if (look.layers.labels) for (const item of all) drawLabel(context, item, frame, scale, look.colourOf(item));
}

/** A classifier's result says something of the whole frame and has no box of its own. */
function isWholeFrame(item) {
  return item.whole_frame === true;
}

function drawBox(context, item, frame, scale, colour) {
  if (isWholeFrame(item) || item.whole_class) return;
  if (item.point_xy) {
    const [x, y] = item.point_xy.map((value) => value * scale);
    twice(context, colour, 2, () => { context.beginPath(); context.arc(x, y, 9, 0, 2 * Math.PI); });
    dot(context, x, y, 3, colour);
    return;
  }
  const [x1, y1, x2, y2] = item.box_xyxy.map((value) => value * scale);
  twice(context, colour, 2, () => { context.beginPath(); context.rect(x1, y1, Math.max(1, x2 - x1), Math.max(1, y2 - y1)); });
}

/** A line with a dark rim, so that it is seen on any ground. */
function twice(context, colour, width, path) {
  path();
  context.strokeStyle = "rgba(0,0,0,.45)";
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function dot(context, x, y, radius, colour, rim = "rgba(0,0,0,.45)") {
  context.beginPath();
  context.arc(x, y, radius + 1, 0, 2 * Math.PI);
  context.fillStyle = rim;
  context.fill();
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

function drawTrail(context, trail, scale, colour) {
  const points = trail.points;
  // Fading in four strokes, not one for each step: there may be thousands of steps.
  const strokes = Math.min(4, points.length - 1);
  for (let k = 0; k < strokes; k += 1) {
    const from = Math.floor(k * (points.length - 1) / strokes);
    const to = Math.floor((k + 1) * (points.length - 1) / strokes);
    context.beginPath();
    context.moveTo(points[from][0] * scale, points[from][1] * scale);
    for (let at = from + 1; at <= to; at += 1) context.lineTo(points[at][0] * scale, points[at][1] * scale);
    context.globalAlpha = 0.25 + 0.7 * (k + 1) / strokes;
    context.strokeStyle = colour;
    context.lineWidth = 2.5;
    context.stroke();
  }
  context.globalAlpha = 1;
  const last = points[points.length - 1];
  if (last) dot(context, last[0] * scale, last[1] * scale, 3, colour);
}

function drawKeyPoints(context, item, scale, colour) {
  const points = item.keypoints;
  const seen = points.map((point) => point[2] >= POINT_SCORE);
  for (const [a, b] of item.edges ?? []) {
    if (!seen[a] || !seen[b]) continue;
    twice(context, colour, 2.2, () => {
      context.beginPath();
      context.moveTo(points[a][0] * scale, points[a][1] * scale);
      context.lineTo(points[b][0] * scale, points[b][1] * scale);
    });
  }
  points.forEach(([x, y], k) => { if (seen[k]) dot(context, x * scale, y * scale, 3, colour, "#fff"); });
}

function drawMask(context, item, frame, scale, colour) {
  const small = item.smallMask ?? smallMask(item.mask.size, item.mask.counts, MASK_SIDE);
  item.smallMask = small;
  if (!item.maskPicture) {
    const picture = new OffscreenCanvas(small.width, small.height);
    const pixels = new ImageData(small.width, small.height);
    const paint = parseInt(colour.slice(1), 16);
    const words = new Uint32Array(pixels.data.buffer);
    const word = (0x80 << 24) | ((paint & 255) << 16) | (paint & 0xff00) | (paint >> 16);
    for (let at = 0; at < words.length; at += 1) if (small.inside[at]) words[at] = word;
    picture.getContext("2d").putImageData(pixels, 0, 0);
    item.maskPicture = picture;
  }
  context.drawImage(item.maskPicture, 0, 0, frame.width * scale, frame.height * scale);
}

function labelOf(item, width) {
  if (width < TINY) return item.label;
  const words = [item.label];
  if (isNumber(item.track)) words.push(`#${item.track}`);
  words.push(percent(item.score));
  for (const one of item.then ?? []) if (one.whole_frame) words.push(`› ${one.label} ${percent(one.score)}`);
  return words.join(" ");
}

function drawLabel(context, item, frame, scale, colour) {
  const [width, height] = [frame.width * scale, frame.height * scale];
  const text = labelOf(item, width);
  if (isWholeFrame(item)) {
    plate(context, text, 10, 10, colour, { width, height, size: width < NARROW ? 13 : 16 });
  } else if (item.whole_class && item.smallMask?.label) {
    const [x, y] = item.smallMask.label;
    plate(context, text, x * width, y * height, colour, { width, height, middle: true });
  } else {
    plate(context, text, item.box_xyxy[0] * scale - 1, item.box_xyxy[1] * scale - 1, colour, { width, height, above: true });
  }
}

/** Text on a filled plate below, above or around a place, moved so that it lies in the picture. */
function plate(context, text, x, y, colour, room) {
  const size = room.size ?? labelSize(room);
  const high = Math.round(size * 1.55);
  context.font = `600 ${size}px ${FAMILY}`;
  const fits = Math.min(60, Math.floor(text.length * (room.width - size) / context.measureText(text).width));
  const shown = text.length > fits ? `${text.slice(0, Math.max(1, fits - 2))}…` : text;
  const wide = context.measureText(shown).width + size;
  const left = Math.max(0, Math.min(room.middle ? x - wide / 2 : x, room.width - wide));
  const top = Math.max(0, Math.min(room.above ? y - high : room.middle ? y - high / 2 : y, room.height - high));
  context.beginPath();
  context.roundRect(left, top, wide, high, 3);
  context.fillStyle = colour;
  context.fill();
  context.fillStyle = inkOn(colour);
  context.textBaseline = "middle";
  context.fillText(shown, left + size / 2, top + high / 2 + 0.5);
  return wide;
}

/** The height of a plate's text: smaller pictures have smaller ones. */
function labelSize(room) {
  return room.width < TINY ? 9.5 : room.width < NARROW ? 10.5 : 12.5;
}

/** The colour that a class's number stands for, as the loop's own drawings have it. */
function classColour(number) {
  const hue = ((0.58 + number * 0.61803398875) % 1) * 6;
  const value = Math.floor(number / 8) % 2 ? 0.82 : 1;
  const channel = (shift) => {
    const place = (shift + hue) % 6;
    const part = value * (1 - 0.78 * Math.max(0, Math.min(place, 4 - place, 1)));
    return Math.round(255 * part).toString(16).padStart(2, "0");
  };
  return `#${channel(5)}${channel(3)}${channel(1)}`;
}

function inkOn(colour) {
  const paint = parseInt(colour.slice(1), 16);
  return 0.299 * (paint >> 16) + 0.587 * ((paint >> 8) & 255) + 0.114 * (paint & 255) > 120 ? "#000" : "#fff";
}

const placeName = (count) => count.line ?? count.zone;

function drawPlaces(context, frame, scale, places) {
  const [width, height] = [frame.width * scale, frame.height * scale];
  const counts = new Map((frame.counts ?? []).map((count) => [placeName(count), count]));
  for (const place of places) {
    const points = place.points.map(([x, y]) => [x * width, y * height]);
    const count = counts.get(place.name);
    if (place.kind === "line") drawLine(context, place, points, count, { width, height });
    else drawZone(context, place, points, count, { width, height });
  }
}

function drawLine(context, place, [from, to], count, room) {
  twice(context, PLACE_COLOUR, 2.5, () => { context.beginPath(); context.moveTo(...from); context.lineTo(...to); });
  dot(context, ...from, 3.5, PLACE_COLOUR);
  dot(context, ...to, 3.5, PLACE_COLOUR);
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const long = Math.hypot(dx, dy) || 1;
  // "In" is to the right-hand side, seen from the first point to the second.
  const [nx, ny] = [-dy / long, dx / long];
  const [mx, my] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
  const [tipX, tipY] = [mx + nx * 20, my + ny * 20];
  twice(context, PLACE_COLOUR, 2.5, () => {
    context.beginPath();
    context.moveTo(mx, my);
    context.lineTo(tipX, tipY);
    context.moveTo(tipX - nx * 7 - ny * 5, tipY - ny * 7 + nx * 5);
    context.lineTo(tipX, tipY);
    context.lineTo(tipX - nx * 7 + ny * 5, tipY - ny * 7 - nx * 5);
  });
  if (room.width < TINY) return;
  const text = count ? `${place.name}  in ${count.in} · out ${count.out}` : place.name;
  // Beside the line, not on it: on the side that the arrow does not point to.
  context.font = `600 ${labelSize(room)}px ${FAMILY}`;
  const away = 16 + Math.abs(nx) * context.measureText(text).width / 2;
  plate(context, text, mx - nx * away, my - ny * away, PLACE_COLOUR, { ...room, middle: true });
}

function drawZone(context, place, points, count, room) {
  const outline = () => {
    context.beginPath();
    points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
  };
  outline();
  context.fillStyle = "rgba(255,209,102,.10)";
  context.fill();
  context.setLineDash([8, 6]);
  twice(context, PLACE_COLOUR, 2, outline);
  context.setLineDash([]);
  if (room.width < TINY) return;
  const top = points.reduce((best, point) => (point[1] < best[1] ? point : best));
  const passed = count && room.width >= NARROW ? ` · in ${count.in} · out ${count.out}` : "";
  const text = count ? `${place.name}  inside ${count.inside ?? 0}${passed}` : place.name;
  plate(context, text, top[0] + 4, top[1] + 4, PLACE_COLOUR, room);
}
