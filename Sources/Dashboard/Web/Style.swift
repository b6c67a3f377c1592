// Style: the style sheet of the dashboard: light or dark like the reader's system, one column on a telephone.

/// The style sheet of pages; that of charts is `Charts.stylesheet`.
enum Style {
    static let css = """
        :root{color-scheme:light dark;--ink:#1d2430;--soft:#545d6b;--line:#dfe3ea;--edge:#7b8494;--paper:#fff;--ground:#f5f6f8;
        --accent:#2459b8;--good:#12663f;--bad:#b02a22;--wait:#7a4d00}
        @media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#a3adba;--line:#323945;--edge:#76808f;--paper:#1c2027;
        --ground:#14171c;--accent:#8ab4ff;--good:#5fd19a;--bad:#ff938a;--wait:#f0bd6a}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
        a{color:var(--accent)}
        :focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
        .skip{position:absolute;left:-999px}.skip:focus{left:12px;top:8px;background:var(--paper);padding:8px 12px;z-index:2}
        .unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
        .top{background:var(--paper);border-bottom:1px solid var(--line);display:flex;align-items:center;gap:8px 20px;
        padding:0 20px;flex-wrap:wrap}
        .top nav{display:flex;flex-wrap:wrap;gap:2px 4px}
        .top a{padding:11px 10px;text-decoration:none;color:var(--soft);border-bottom:3px solid transparent}
        .top a:hover{color:var(--ink)}.top a[aria-current]{color:var(--ink);border-bottom-color:var(--accent)}
        .top .brand{font-weight:700;color:var(--ink)}
        .live{margin:0 0 0 auto;color:var(--soft);font-size:13px}
        main{max-width:1120px;margin:0 auto;padding:22px 20px 40px;outline:none}
        .heading{margin:0 0 4px}.trail{margin:0;font-size:13px;color:var(--soft)}.trail:empty{display:none}
        h1{font-size:25px;line-height:1.25;margin:2px 0 0}h2{font-size:18px;margin:0 0 12px}h3{font-size:15px;margin:18px 0 6px}
        h1,h2,h3,td,th,dd,li,p,pre,code{overflow-wrap:anywhere}
        .note,figcaption{color:var(--soft);font-size:13px;margin:8px 0 0}
        section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:16px;
        min-width:0}
        section.problem{border-color:var(--bad)}.problem h2{color:var(--bad)}
        .notice{background:var(--paper);border:1px solid var(--good);border-radius:10px;padding:10px 16px;margin:14px 0 0}
        .tiles{display:flex;flex-wrap:wrap;gap:12px 32px;margin:0}.tiles div{display:flex;flex-direction:column-reverse}
        .tiles dt{color:var(--soft);font-size:13px}.tiles dd{margin:0;font-size:20px;font-weight:600}
        .facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 18px;margin:0}
        .facts dt{color:var(--soft)}.facts dd{margin:0}
        .tiles+.facts{margin-top:14px}
        .scroll{overflow-x:auto}
        table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
        thead th{font-weight:600;color:var(--soft);font-size:13px;white-space:nowrap}
        th,td{padding:6px 14px 6px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
        tbody th:not(.number),td:not(.number){min-width:8em}
        tbody th{font-weight:500}th.number,td.number{text-align:right;white-space:nowrap}
        th:last-child,td:last-child{padding-right:0}tbody tr:last-child>*{border-bottom:0}
        .state{white-space:nowrap}.good{color:var(--good)}.bad{color:var(--bad)}.waiting{color:var(--wait)}
        .running{color:var(--accent)}.none{color:var(--soft)}
        progress{width:90px;height:10px;vertical-align:middle;accent-color:var(--accent)}
        figure{margin:6px 0 0;overflow-x:auto}figure svg{width:100%;height:auto}figure svg.wide{max-width:960px}
        figure svg.scrolls,figure svg.natural{width:auto}
        img{max-width:100%;height:auto}
        pre{margin:0;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,monospace;white-space:pre-wrap;max-height:32em;
        overflow:auto}
        code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.92em}
        details{margin-top:12px}summary{cursor:pointer;color:var(--accent)}
        form.inline{display:inline-block;margin:0 8px 0 0}
        form.fields{display:grid;grid-template-columns:max-content minmax(0,22em);gap:8px 14px;align-items:center}
        form.fields button{grid-column:2;justify-self:start}form.fields .note{grid-column:2;margin:0}
        input,select,textarea,button{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--edge);
        border-radius:6px;padding:6px 10px;max-width:100%;min-width:0}
        button{background:var(--ground);cursor:pointer}button:hover{border-color:var(--accent)}
        footer{max-width:1120px;margin:0 auto;padding:0 20px 28px;color:var(--soft);font-size:13px}
        @media (max-width:760px){
        .top{padding:0 10px}.top a{padding:11px 8px}main{padding:14px 10px 28px}section{padding:14px 12px}h1{font-size:21px}
        .scroll{overflow:visible}table,tbody,tr,td,tbody th{display:block}thead{display:none}
        tr{padding:8px 0;border-bottom:1px solid var(--line)}tbody tr:last-child{border-bottom:0}td:empty{display:none}
        tbody th:not(.number),td:not(.number){min-width:0}
        th,td,th.number,td.number{padding:2px 0;border:0;white-space:normal;text-align:left}tbody th{font-weight:600}
        td{display:flex;justify-content:space-between;gap:12px}
        td::before{content:attr(data-label);color:var(--soft);font-size:13px;flex:none}
        .facts{grid-template-columns:minmax(0,1fr)}.facts dd{margin-bottom:6px}
        form.fields{grid-template-columns:minmax(0,1fr)}form.fields button,form.fields .note{grid-column:1}}

        """
}
