/** The style of the page: system fonts, light or dark as the reader has it, nothing fetched from anywhere. */
export const PAGE_STYLE = `
:root { color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --text: #1c1e21; --soft: #5c6370; --line: #e1e3e8;
  --match: #b7bec9; --within: #6fb3a8; --changed: #d97a1d; --missing: #2f6fd0; --extra: #a03fa8;
  --good: #1f7a45; --good-back: #e5f4ea; --bad: #a3341f; --bad-back: #fbeae5; }
@media (prefers-color-scheme: dark) { :root {
  --page: #15171a; --card: #1d2024; --text: #e7e9ec; --soft: #9aa3af; --line: #32363d;
  --match: #535b67; --within: #4f9589; --changed: #e8974a; --missing: #6ea2f0; --extra: #c67bcd;
  --good: #7fd3a0; --good-back: #17301f; --bad: #f0a08c; --bad-back: #3a1d16; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; } .soft, caption, figcaption { color: var(--soft); }
.verdict { border-radius: 8px; padding: .75rem 1rem; margin: 1rem 0; font-weight: 600; }
.verdict ul { margin: .4rem 0 0; padding-left: 1.2rem; font-weight: 400; }
.good { background: var(--good-back); color: var(--good); } .bad { background: var(--bad-back); color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: .75rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile small { color: var(--soft); display: block; line-height: 1.3; }
.dot { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .4rem; }
figure { margin: .5rem 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem; }
svg { display: block; width: 100%; height: auto; } svg.share { height: 22px; border-radius: 4px; }
rect.match { fill: var(--match); } rect.within { fill: var(--within); } rect.changed { fill: var(--changed); }
rect.missing { fill: var(--missing); } rect.extra { fill: var(--extra); }
.dot.match { background: var(--match); } .dot.within { background: var(--within); }
.dot.changed { background: var(--changed); } .dot.missing { background: var(--missing); }
.dot.extra { background: var(--extra); }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.tick { fill: var(--soft); font: 12px system-ui, sans-serif; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); }
caption { text-align: left; padding-bottom: .3rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
@media print { figure, table, .tile { break-inside: avoid; } }
`
