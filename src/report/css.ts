/** @file The report's one style sheet: system fonts, light and dark, phone to paper. */
export const CSS = `
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1d21;--faint:#5d666f;--line:#dfe3e7;--soft:#f5f6f8;--forget:#b4460f;--kept:#1c63b0;--unseen:#6a7078;--heldout:#0f766e;--good:#15703a;--bad:#b3261e;--calm:#5d666f}
@media (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e7e9ec;--faint:#a0a9b2;--line:#33383e;--soft:#1e2125;--forget:#f59a5b;--kept:#74b0f5;--unseen:#a5adb6;--heldout:#4fc4b6;--good:#5cc985;--bad:#f2837c;--calm:#a0a9b2}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--faint:#444;--line:#ccc;--soft:#f5f5f5;--forget:#b4460f;--kept:#1c63b0;--unseen:#6a7078;--heldout:#0f766e;--good:#15703a;--bad:#b3261e;--calm:#444}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,body>footer{max-width:46.5rem;margin:0 auto;padding:0 1.25rem}
main{padding-top:2.75rem}
h1,h2,h3{line-height:1.2;text-wrap:balance}
h1{font-size:2.5rem;letter-spacing:-.02em;margin:1.3rem 0 .6rem;font-weight:650}
h2{font-size:1.35rem;letter-spacing:-.01em;margin:3.5rem 0 .7rem;font-weight:650}
h3{font-size:1rem;margin:1.8rem 0 .3rem}
p{margin:.6rem 0;text-wrap:pretty}
.over{color:var(--faint);font-size:.88rem;margin:0}
.lead{font-size:1.15rem;line-height:1.45;max-width:36em}
.faint,figcaption span{color:var(--faint)}
.faint,.small{font-size:.9rem}
.good{color:var(--good)}.bad{color:var(--bad)}.calm{color:var(--calm)}
h1::before{content:"";display:block;width:2.6rem;height:.32rem;border-radius:.16rem;background:currentColor;margin-bottom:1rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr));gap:0 2rem;margin:1.8rem 0 1rem}
.card{border-top:1px solid var(--line);padding:.8rem 0 .9rem}
.card h2{font-size:.88rem;letter-spacing:0;font-weight:600;color:var(--faint);margin:0}
.card b{display:block;font-size:1.9rem;line-height:1.25;font-weight:600;letter-spacing:-.02em}
.card span{color:var(--faint);font-weight:400}
.card p{margin:.1rem 0 0;font-size:.9rem;line-height:1.4;color:var(--faint)}
.note{border-left:3px solid var(--bad);padding:.1rem 0 .1rem 1rem;margin:1.2rem 0}
nav{border-top:1px solid var(--line);border-bottom:1px solid var(--line);padding:.55rem 0;margin-top:1.6rem;font-size:.9rem}
nav a{margin-right:1.1rem;white-space:nowrap}
a{color:inherit;text-decoration-color:var(--faint);text-underline-offset:.2em}
table{border-collapse:collapse;width:100%;font-size:.92rem;line-height:1.4;margin:.8rem 0}
th,td{text-align:left;padding:.38rem .9rem .38rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th:last-child,td:last-child{padding-right:0;overflow-wrap:normal}
thead th{color:var(--faint);font-weight:500;font-size:.85rem;overflow-wrap:normal;vertical-align:bottom}
tbody th{font-weight:400}
.dim{color:var(--faint)}
tbody.group th{white-space:nowrap}tbody.group th[colspan]{white-space:normal}
.n{text-align:right}td.n{white-space:nowrap}
tbody.group th[colspan]{padding-top:1.1rem;border-bottom:0;font-weight:600}
tbody.group th[colspan] span{display:block;font-weight:400;color:var(--faint);font-size:.88rem}
.compact,.compact table{font-size:.84rem}
.compact th,.compact td{padding-right:.5rem}
.scroll{overflow-x:auto}.scroll table{width:max-content;min-width:100%}.scroll th{white-space:nowrap}.scroll thead th{white-space:normal}
.text td,dd{overflow-wrap:anywhere!important}.text td{white-space:pre-wrap;background:var(--soft);padding:.5rem .7rem;font-size:.86rem}
figure{margin:1.6rem 0;break-inside:avoid}
figcaption{font-size:.92rem;line-height:1.4;margin-bottom:.5rem}
figcaption strong{display:block;font-weight:600}
svg{display:block;max-width:100%;height:auto;font-family:inherit;font-variant-numeric:tabular-nums}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:.4rem 1.8rem;margin:1.2rem 0}
.pair figure{margin:.8rem 0}
.key{display:inline-block;width:.72em;height:.72em;border-radius:50%;border:2px solid var(--faint);margin:0 .3em 0 0;vertical-align:-.02em}
.key.full{background:var(--faint)}
.key.bar{width:3px;height:1em;border:0;border-radius:0;background:var(--ink);vertical-align:-.15em}
.keys span{margin-right:1.1em;white-space:nowrap}
.at-narrow{display:none}
@media (max-width:44rem){.at-wide{display:none}.at-narrow{display:block}h1{font-size:2.1rem}main{padding-top:1.75rem}.compact,.compact table{font-size:.76rem}details .compact table{font-size:.7rem}details .compact th,details .compact td{padding-right:.25rem;font-size:.7rem}}
@media print{.at-wide{display:block}.at-narrow{display:none}}
details{margin:.8rem 0}
summary{cursor:pointer;color:var(--faint);font-size:.92rem}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.86em}
code{overflow-wrap:anywhere}
pre{background:var(--soft);padding:.75rem .9rem;border-radius:.35rem;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.5;margin:.6rem 0}
.facts{margin:.8rem 0}
.facts div{display:grid;grid-template-columns:11rem 1fr;gap:0 1rem;padding:.38rem 0;border-bottom:1px solid var(--line)}
.facts dt{color:var(--faint)}.facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
.facts{font-size:.92rem;line-height:1.45}
@media (max-width:30rem){.facts div{grid-template-columns:1fr}}
.limits{padding-left:1.1rem}.limits li{margin:.45rem 0}
.unseen-text{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
body>footer{color:var(--faint);font-size:.85rem;padding-top:2.5rem;padding-bottom:3.5rem}
@media print{@page{margin:18mm 16mm}body{font-size:10.5pt}main,body>footer{max-width:none;padding-left:0;padding-right:0}main{padding-top:0}nav{display:none}h2{break-after:avoid;margin-top:2rem}tr,.card{break-inside:avoid}details>summary{display:none}details::details-content{content-visibility:visible;display:block}}
`;
