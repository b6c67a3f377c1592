// The style sheet of a report: one column, light or dark like the reader's system, and printable.

enum ReportStyle {
    static let css = """
        :root{color-scheme:light dark;--ink:#1d2430;--soft:#5d6675;--line:#e2e6ec;--paper:#fff;--ground:#f5f6f8;
        --accent:#2f6fde;--good:#15794f;--bad:#bd332b}
        @media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa4b2;--line:#323945;--paper:#1c2027;
        --ground:#14171c;--accent:#6ea0ff;--good:#4cc38a;--bad:#ff8a80}}
        *{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);
        font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
        main{max-width:960px;margin:0 auto;padding:28px 20px 48px}
        h1{font-size:26px;line-height:1.25;margin:0}h2{font-size:19px;margin:0 0 12px}
        h3{font-size:15px;margin:18px 0 6px}.lead,.note,figcaption{color:var(--soft)}
        .lead{margin:6px 0 0}.note,figcaption{font-size:13px;margin:8px 0 0}
        section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:20px 22px;margin-top:20px}
        .tiles{display:flex;flex-wrap:wrap;gap:10px 28px;margin:0 0 16px}.tiles b{display:block;font-size:21px}
        .tiles span{color:var(--soft);font-size:13px}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
        th{font-weight:600;color:var(--soft);font-size:13px}
        th,td{padding:6px 0 6px 14px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
        th:first-child,td:first-child{text-align:left;padding-left:0}tbody tr:last-child td{border-bottom:0}
        td:first-child{white-space:normal;min-width:9em}
        .good{color:var(--good)}.bad{color:var(--bad)}.none{color:var(--soft)}h2 .good,h2 .bad,h2 .none{font-size:14px;
        font-weight:500;margin-left:8px}
        .problem{border-color:var(--bad)}.problem h2{color:var(--bad)}
        figure{margin:18px 0 0}figure svg{width:100%;height:auto}
        .meter{display:inline-block;width:90px;height:8px;border-radius:4px;background:var(--line);overflow:hidden;
        vertical-align:middle;margin-right:6px}.meter i{display:block;height:100%;background:currentColor}
        details{margin-top:16px}summary{cursor:pointer;color:var(--accent)}
        dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:10px 0 0;font-size:14px}
        dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}a{color:var(--accent)}
        code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.92em}
        h1,h2,td:first-child,dd,li,.lead{overflow-wrap:anywhere}
        .narrow{display:none}figure svg.wide{max-width:860px;margin:0 auto}
        @media (max-width:760px){.wide{display:none!important}figure svg.narrow{display:block;max-width:440px;margin:0 auto}
        main{padding:18px 10px 32px}section{padding:16px 14px}h1{font-size:22px}
        table,tbody,tr,td{display:block}thead{display:none}tr{padding:8px 0;border-bottom:1px solid var(--line)}
        tbody tr:last-child{border-bottom:0}td:empty{display:none}
        th,td{padding:2px 0;border:0;white-space:normal}td:first-child{font-weight:600}
        td:not(:first-child){display:flex;justify-content:space-between;gap:12px}
        td:not(:first-child)::before{content:attr(data-label);color:var(--soft);font-size:13px;flex:none}
        .meter{margin:auto 0 auto auto}}
        @media print{body{background:none;font-size:12px}main{max-width:none;padding:0}th{font-size:11px}
        section{padding:14px 16px}th,td{padding-left:8px}figure,tr{break-inside:avoid}}
        """
}
