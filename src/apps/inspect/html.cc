#include "apps/inspect/html.h"

#include <cmath>

#include "apps/inspect/layout.h"
#include "apps/inspect/parts.h"
#include "apps/inspect/text.h"
#include "base/json.h"
#include "base/text.h"

namespace sluice::apps::inspect {

std::string html_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Control characters but line feed and tab are not allowed in HTML.
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') out += c;
    }
  }
  return out;
}

namespace {

// Text drawn in a node is cut to what its box holds.
constexpr size_t kLabelBytes = 30;
// Above this many nodes the page would be too heavy for a browser; the text stays.
constexpr size_t kMaxDrawnNodes = 12'000;

std::string short_label(const DrawnNode& node) { return plain(node.op, kLabelBytes); }

void put(std::string& out, float value) {
  // Tenths of a pixel are plenty.
  const auto tenths = static_cast<int64_t>(std::lround(static_cast<double>(value) * 10));
  out += cat(tenths / 10);
  if (tenths % 10 != 0) out += cat(".", std::abs(tenths % 10));
}

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --ink:#1d2733; --paper:#fbfcfd; --line:#9aa7b5; --panel:#f1f4f7; --accent:#0b6bcb; }
@media (prefers-color-scheme: dark) { :root { --ink:#dfe6ee; --paper:#14191f; --line:#5b6875; --panel:#1c232b; --accent:#6cb2ff; } }
* { box-sizing: border-box; }
body { margin:0; font:14px/1.45 system-ui, sans-serif; color:var(--ink); background:var(--paper); display:grid; grid-template:auto 1fr / minmax(22rem, 38%) 1fr; height:100vh; }
header { grid-column:1/-1; padding:.6rem 1rem; border-bottom:1px solid var(--line); display:flex; gap:1rem; align-items:baseline; flex-wrap:wrap; }
h1 { font-size:1.1rem; margin:0; overflow-wrap:anywhere; }
header input { margin-left:auto; font:inherit; padding:.25rem .5rem; min-width:14rem; color:inherit; background:var(--panel); border:1px solid var(--line); border-radius:4px; }
#side { overflow:auto; border-right:1px solid var(--line); display:flex; flex-direction:column; }
#detail { padding:.8rem 1rem; border-bottom:1px solid var(--line); background:var(--panel); overflow-wrap:anywhere; }
#detail h2 { font-size:1rem; margin:0 0 .3rem; } #detail pre, #report { font:12px/1.5 ui-monospace, monospace; margin:0; white-space:pre-wrap; }
#report { padding:1rem; white-space:pre; overflow:auto; }
#stage { overflow:hidden; position:relative; touch-action:none; cursor:grab; }
#stage.dragging { cursor:grabbing; }
svg { width:100%; height:100%; display:block; }
.edge { fill:none; stroke:var(--line); stroke-width:1.2; }
.edge.near { stroke:var(--accent); stroke-width:2.4; }
.node rect { stroke:rgba(0,0,0,.25); rx:5; } .node text { font:12px system-ui, sans-serif; fill:#16202a; text-anchor:middle; dominant-baseline:central; pointer-events:none; }
.node { cursor:pointer; } .node:focus { outline:none; } .node:focus rect, .node.chosen rect { stroke:var(--accent); stroke-width:3; }
.node.faint { opacity:.18; }
.compute rect { fill:#ffd18a; } .move rect { fill:#cfe3f7; } .quantize rect { fill:#e3cdf4; } .control rect { fill:#f7b9b9; } .other rect { fill:#dfe9d2; }
#keys { position:absolute; left:.8rem; bottom:.6rem; font-size:12px; background:var(--panel); padding:.2rem .6rem; border-radius:4px; opacity:.9; }
#keys i { display:inline-block; width:.8em; height:.8em; border-radius:3px; margin:0 .3em 0 .8em; vertical-align:-.05em; }
)css";

constexpr std::string_view kScript = R"js(
"use strict";
const nodes = JSON.parse(document.getElementById("nodes").textContent);
const stage = document.getElementById("stage"), svg = stage.querySelector("svg"), world = document.getElementById("world");
const detail = document.getElementById("detail"), search = document.getElementById("search"), found = document.getElementById("found");
const boxes = [...document.querySelectorAll(".node")], edges = [...document.querySelectorAll(".edge")];
let x = 0, y = 0, scale = 1;
const show = () => world.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
function fit() {
  const w = +svg.dataset.width, box = stage.getBoundingClientRect();
  scale = Math.min(1, box.width / w); x = (box.width - w * scale) / 2; y = 8; show();
}
function zoom(factor, cx, cy) {
  const next = Math.min(4, Math.max(0.02, scale * factor));
  x = cx - (cx - x) * next / scale; y = cy - (cy - y) * next / scale; scale = next; show();
}
stage.addEventListener("wheel", e => {
  e.preventDefault();
  const box = stage.getBoundingClientRect();
  if (e.ctrlKey || e.metaKey || !e.shiftKey && Math.abs(e.deltaY) > 0 && e.deltaMode === 0 && e.altKey) zoom(Math.exp(-e.deltaY / 300), e.clientX - box.left, e.clientY - box.top);
  else if (e.shiftKey) { x -= e.deltaY; show(); }
  else zoom(Math.exp(-e.deltaY / 500), e.clientX - box.left, e.clientY - box.top);
}, { passive: false });
let drag = null;
stage.addEventListener("pointerdown", e => { drag = { x: e.clientX - x, y: e.clientY - y, moved: false, id: e.pointerId }; });
stage.addEventListener("pointermove", e => {
  if (!drag) return;
  const nx = e.clientX - drag.x, ny = e.clientY - drag.y;
  if (!drag.moved && Math.hypot(nx - x, ny - y) < 4) return;
  if (!drag.moved) { drag.moved = true; stage.setPointerCapture(drag.id); stage.classList.add("dragging"); }
  x = nx; y = ny; show();
});
const drop = e => {
  if (drag && !drag.moved && e.type === "pointerup") { const box = e.target.closest(".node"); if (box) choose(+box.dataset.i); }
  drag = null; stage.classList.remove("dragging");
};
stage.addEventListener("pointerup", drop); stage.addEventListener("pointercancel", drop);
function line(tag, text) { const el = document.createElement(tag); el.textContent = text; detail.append(el); }
function choose(i) {
  for (const b of boxes) b.classList.toggle("chosen", +b.dataset.i === i);
  for (const e of edges) e.classList.toggle("near", +e.dataset.a === i || +e.dataset.b === i);
  const n = nodes[i];
  detail.replaceChildren();
  line("h2", n.op + (n.label ? "  " + n.label : ""));
  let text = "";
  if (n.attributes) text += n.attributes + "\n";
  text += n.inputs.map(v => "in   " + v).join("\n") + "\n" + n.outputs.map(v => "out  " + v).join("\n");
  if (n.work) text += "\nwork " + n.work;
  line("pre", text);
}
function centre(i) {
  const box = stage.getBoundingClientRect(), n = nodes[i];
  scale = Math.max(scale, 0.6); x = box.width / 2 - n.x * scale; y = box.height / 2 - n.y * scale; show();
}
let hits = [], hit = -1;
search.addEventListener("input", () => {
  const want = search.value.trim().toLowerCase(); hits = []; hit = -1;
  nodes.forEach((n, i) => { if (want && (n.op + " " + n.label + " " + n.outputs.join(" ")).toLowerCase().includes(want)) hits.push(i); });
  const set = new Set(hits);
  for (const b of boxes) b.classList.toggle("faint", want !== "" && !set.has(+b.dataset.i));
  found.textContent = want ? hits.length + " found, Enter goes on" : "";
});
search.addEventListener("keydown", e => {
  if (e.key !== "Enter" || !hits.length) return;
  hit = (hit + (e.shiftKey ? hits.length - 1 : 1)) % hits.length; choose(hits[hit]); centre(hits[hit]);
});
svg.addEventListener("keydown", e => { const b = e.target.closest(".node"); if (b && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); choose(+b.dataset.i); } });
addEventListener("keydown", e => { if (e.key === "/" && e.target !== search) { e.preventDefault(); search.focus(); } if (e.key === "0" && e.target !== search) fit(); });
fit();
)js";

}  // namespace

std::string to_html(const Report& report) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>";
  out += html_escaped(plain(report.file, 120));
  out += cat("</title>\n<style>", kStyle, "</style></head>\n<body>\n<header><h1>",
             html_escaped(plain(report.file, 200)), "</h1><span>", html_escaped(report.format),
             ", ", human_bytes(report.file_bytes), ", ", count_text(report.parameters),
             " parameters", report.flops > 0 ? cat(", ", flops_text(report.flops)) : std::string(),
             "</span><span id=\"found\"></span><input id=\"search\" type=\"search\" "
             "placeholder=\"search nodes (/)\" aria-label=\"search nodes\"></header>\n",
             "<div id=\"side\"><div id=\"detail\" aria-live=\"polite\">Click a node for its "
             "attributes and "
             "tensors. Wheel zooms, dragging moves, 0 shows all.</div>\n<div id=\"report\">",
             html_escaped(to_text(report)), "</div></div>\n");

  const size_t count = report.drawing.size();
  Json data = Json::array();
  std::string picture;
  float width = 400, height = 200;
  if (count > 0 && count <= kMaxDrawnNodes) {
    std::vector<float> widths;
    std::vector<std::pair<int, int>> edges;
    for (size_t i = 0; i < count; ++i) {
      const DrawnNode& node = report.drawing[i];
      widths.push_back(24.0f + 7.2f * static_cast<float>(short_label(node).size()));
      for (const int source : node.from) {
        if (source >= 0 && source < static_cast<int>(i))
          edges.emplace_back(source, static_cast<int>(i));
      }
    }
    const Drawing drawing = lay_out(widths, edges);
    width = drawing.width;
    height = drawing.height;
    for (const Drawing::Edge& edge : drawing.edges) {
      picture +=
          cat("<path class=\"edge\" data-a=\"", edge.from, "\" data-b=\"", edge.to, "\" d=\"M");
      Drawing::Place from = drawing.nodes[static_cast<size_t>(edge.from)];
      from.y += kNodeHeight / 2;
      put(picture, from.x), picture += ' ', put(picture, from.y);
      std::vector<Drawing::Place> stops = edge.through;
      Drawing::Place to = drawing.nodes[static_cast<size_t>(edge.to)];
      to.y -= kNodeHeight / 2;
      stops.push_back(to);
      for (const Drawing::Place& stop : stops) {
        const float middle = (from.y + stop.y) / 2;
        picture += 'C';
        for (const float value : {from.x, middle, stop.x, middle, stop.x}) {
          put(picture, value);
          picture += ' ';
        }
        put(picture, stop.y);
        from = stop;
      }
      picture += "\"/>\n";
    }
    for (size_t i = 0; i < count; ++i) {
      const DrawnNode& node = report.drawing[i];
      const Drawing::Place& at = drawing.nodes[i];
      picture += cat("<g class=\"node ", node.kind, "\" data-i=\"", i,
                     "\" tabindex=\"0\" transform=\"translate(");
      put(picture, at.x), picture += ' ', put(picture, at.y);
      picture += ")\"><rect x=\"";
      put(picture, -widths[i] / 2), picture += "\" y=\"", put(picture, -kNodeHeight / 2);
      picture += "\" width=\"", put(picture, widths[i]), picture += "\" height=\"",
          put(picture, kNodeHeight);
      picture += cat("\"/><text>", html_escaped(short_label(node)), "</text></g>\n");
      Json inputs = Json::array(), outputs = inputs;
      for (const std::string& one : node.inputs) inputs.push_back(plain(one, 300));
      for (const std::string& one : node.outputs) outputs.push_back(plain(one, 300));
      data.push_back({{"op", plain(node.op, 120)},
                      {"label", plain(node.label, 300)},
                      {"attributes", node.attributes},
                      {"inputs", std::move(inputs)},
                      {"outputs", std::move(outputs)},
                      {"work", node.flops > 0 ? flops_text(node.flops) : std::string()},
                      {"x", std::round(at.x)},
                      {"y", std::round(at.y)}});
    }
  } else {
    picture = cat("<text x=\"20\" y=\"40\" fill=\"currentColor\">",
                  count == 0 ? std::string("There is no imported graph to draw.")
                             : cat("The graph has ", count, " nodes, too many to draw (limit ",
                                   kMaxDrawnNodes, ")."),
                  "</text>");
  }
  out += "<div id=\"stage\"><svg role=\"img\" aria-label=\"the model's graph\" data-width=\"";
  put(out, width), out += "\" data-height=\"", put(out, height);
  out += cat(
      "\"><g id=\"world\">\n", picture,
      "</g></svg>\n<div id=\"keys\"><i style=\"background:#ffd18a\"></i>products<i "
      "style=\"background:#dfe9d2\"></i>elementwise and others<i "
      "style=\"background:#cfe3f7\"></i>moves<i "
      "style=\"background:#e3cdf4\"></i>quantization<i style=\"background:#f7b9b9\"></i>control "
      "flow</div></div>\n<script type=\"application/json\" id=\"nodes\">");
  // "<" never stands in the data, so that nothing in it can end the script element.
  for (const char c : data.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  out += cat("</script>\n<script>", kScript, "</script>\n</body></html>\n");
  return out;
}

}  // namespace sluice::apps::inspect
