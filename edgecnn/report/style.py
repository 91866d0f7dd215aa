"""The page's style sheet: light, dark and print."""

from __future__ import annotations

# The page may load nothing: a label that slipped through could not either.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LIGHT = """
--bg:#fff;--card:#f6f7f9;--ink:#1b212b;--muted:#5a6473;--line:#dfe3e9;--hole:#e9ecf1;
--c1:#2f6fdb;--c2:#c2620a;--c3:#0b7d6f;--c4:#8a3fc2;--ok:#15743a;--okbg:#e6f4ea;
--bad:#b3261e;--badbg:#fceceb;--warn:#8a5300;--warnbg:#fdf2de;
""".strip()
_DARK = """
--bg:#11151b;--card:#191e26;--ink:#e7eaf0;--muted:#9ca6b5;--line:#2c333e;--hole:#262d38;
--c1:#6ea8fe;--c2:#f3a04a;--c3:#4cc9b4;--c4:#c493f0;--ok:#6fd08c;--okbg:#15301f;
--bad:#ff8f86;--badbg:#3a1a18;--warn:#f0b95c;--warnbg:#33260f;
""".strip()

CSS = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--bg);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}}
main,header,footer{{max-width:1080px;margin:0 auto;padding:0 24px}}
header{{padding-top:28px}}
h1{{font-size:25px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}}
h2{{font-size:17px;margin:34px 0 10px;padding-top:12px;border-top:1px solid var(--line)}}
h3{{font-size:14px;margin:18px 0 6px}}
p{{margin:6px 0}}
.sub{{color:var(--muted);margin:4px 0 0}}
nav{{margin:12px 0 0;font-size:13px}}
nav a{{margin-right:14px;display:inline-block}}
a{{color:var(--c1);text-decoration:none}}
a:hover{{text-decoration:underline}}
.verdict{{border-radius:8px;border-left:5px solid var(--muted);background:var(--card);
padding:13px 18px;margin:18px 0 14px;font-size:17px;line-height:1.4}}
.verdict.ok{{border-color:var(--ok);background:var(--okbg)}}
.verdict.bad{{border-color:var(--bad);background:var(--badbg)}}
.verdict small{{display:block;color:var(--muted);font-size:13px;margin-top:2px}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px}}
.tile{{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:9px 13px}}
.tile b{{display:block;font-size:20px;line-height:1.3;font-weight:600;
font-variant-numeric:tabular-nums}}
.tile span{{color:var(--muted);font-size:12.5px}}
.scroll{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:13.5px}}
caption{{text-align:left;color:var(--muted);font-size:12.5px;padding:0 0 5px}}
th,td{{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);
vertical-align:top}}
th{{font-weight:600;color:var(--muted);font-size:12.5px;vertical-align:bottom}}
td.num,th.num{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
td small{{color:var(--muted);display:block;overflow-wrap:anywhere}}
.any{{overflow-wrap:anywhere}}
ul{{margin:12px 0;padding-left:20px}}
article+article{{margin-top:40px;border-top:4px solid var(--line)}}
td b,.key{{white-space:nowrap}}
.badge{{margin:1px 0}}
code{{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}}
pre{{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px;
overflow-x:auto;margin:8px 0;font:12.5px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}}
.missing{{color:var(--muted);font-style:italic}}
.badge{{display:inline-block;border-radius:10px;padding:0 8px;font-size:12px;line-height:19px;
overflow-wrap:anywhere;background:var(--hole);color:var(--muted)}}
.badge.ok{{background:var(--okbg);color:var(--ok)}}
.badge.bad{{background:var(--badbg);color:var(--bad)}}
.badge.warn{{background:var(--warnbg);color:var(--warn)}}
.grid3{{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:8px 22px}}
.grid2{{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:8px 28px;
align-items:start}}
figure{{margin:8px 0;break-inside:avoid;min-width:0}}
figcaption{{color:var(--muted);font-size:12.5px;margin-top:2px}}
.samples{{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:14px}}
.samples img{{width:100%;height:auto;border-radius:6px;border:1px solid var(--line);
image-rendering:auto;display:block}}
.curves{{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:4px 18px}}
.gallery{{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;
align-items:start}}
.gallery figure{{margin:0}}
.gallery svg{{width:100%;height:auto;display:block;border-radius:6px;background:var(--hole)}}
.gallery figcaption small{{display:block;overflow-wrap:anywhere;font-size:11px}}
.box-truth,.box-found,.box-halo{{fill:none;stroke-width:2.5}}
.box-halo{{stroke:#000;stroke-opacity:.55;stroke-width:4.5}}
.box-truth{{stroke:#3df08a}}.box-found{{stroke:#ffb020;stroke-dasharray:8 5}}
.key-truth,.key-found{{padding:0 2px;border-bottom:3px solid #1fae5c}}
.key-found{{border-bottom:3px dashed #e08c00}}
details{{margin:8px 0}}
summary{{cursor:pointer;color:var(--c1);font-size:13px}}
footer{{color:var(--muted);font-size:12.5px;padding-top:26px;padding-bottom:34px}}
svg.plot{{width:100%;height:auto;display:block;font-size:11.5px;
font-family:inherit;overflow:visible}}
svg.plot text{{fill:var(--ink)}}
svg.plot text.tick,svg.plot text.axis{{fill:var(--muted);font-size:11px}}
svg.plot text.val{{font-variant-numeric:tabular-nums}}
svg .grid{{stroke:var(--line);stroke-width:1}}
svg .hole{{fill:var(--hole)}}
svg .hit{{fill:transparent}}
svg g:hover>.hit{{fill:var(--hole);fill-opacity:.6}}
svg .s1{{fill:var(--c1)}}svg .s2{{fill:var(--c2)}}svg .s3{{fill:var(--c3)}}
svg .s4{{fill:var(--c4)}}svg .s0{{fill:var(--muted)}}svg .sbad{{fill:var(--bad)}}
svg .line{{fill:none;stroke-width:2;stroke-linejoin:round}}
svg .l1{{stroke:var(--c1)}}svg .l2{{stroke:var(--c2);stroke-dasharray:6 3}}
svg .l3{{stroke:var(--c3)}}svg .l4{{stroke:var(--c4);stroke-dasharray:2 3}}
svg .dot{{fill:var(--bg);stroke-width:1.5;stroke-dasharray:none}}
svg .heat-right{{fill:var(--c1)}}svg .heat-wrong{{fill:var(--c2)}}
svg.plot text.heat-ink{{fill:var(--bg)}}
@media print{{
:root{{color-scheme:light;{_LIGHT}}}
*{{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
body{{font-size:11.5px}}
nav{{display:none}}
main,header,footer{{max-width:none;padding:0}}
.scroll{{overflow:visible}}
table{{font-size:10px}}
th,td{{padding:3px 8px 3px 0}}
.badge{{font-size:9px;line-height:14px;padding:0 5px}}
th{{font-size:9.5px}}
.tiles{{grid-template-columns:repeat(5,1fr);gap:6px}}
.tile b{{font-size:15px}}
.tile span{{font-size:10px}}
.grid3{{grid-template-columns:repeat(3,1fr)}}
.grid2{{grid-template-columns:1fr 1fr}}
.samples{{grid-template-columns:repeat(4,1fr)}}
.gallery,.curves{{grid-template-columns:repeat(5,1fr)}}
h2,h3{{break-after:avoid}}
tr,.tile,.verdict,svg{{break-inside:avoid}}
details::details-content{{content-visibility:visible;display:block;height:auto}}
summary{{display:none}}
}}
@page{{margin:14mm}}
""".strip()
