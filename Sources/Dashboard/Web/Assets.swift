// Assets: the style sheet, the script and the icon, which the program carries itself.

import Artifacts
import Charts
import Foundation

/// The files that pages refer to. Their address has their digest, so browsers may keep them.
enum Assets {
    /// The beginning of the digest of all files.
    static let version = String(Digest.of(Array((styles + script).utf8)).short)

    private static let styles = Style.css + Charts.stylesheet

    /// Returns a file by its name.
    static func file(_ name: String) -> WebResponse? {
        let (text, type): (String, String)
        switch name {
        case "ofa.css": (text, type) = (styles, "text/css; charset=utf-8")
        case "ofa.js": (text, type) = (script, "text/javascript; charset=utf-8")
        case "icon.svg": (text, type) = (icon, "image/svg+xml")
        default: return nil
        }
        var response = WebResponse.text(text, type: type)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
    }

    private static let icon = """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2f6fde"/>\
        <g fill="none" stroke="#fff" stroke-width="2.4"><circle cx="8" cy="16" r="3.2"/><circle cx="24" cy="8" r="3.2"/>\
        <circle cx="24" cy="24" r="3.2"/><path d="M11 14.5l10-5M11 17.5l10 5"/></g></svg>
        """

    /// Follows a live page. Without the script every page still tells the whole; one loads it again to see news.
    private static let script = """
        "use strict";
        (() => {
          const page = document.getElementById("page");
          const told = document.getElementById("live");
          if (!page || !page.dataset.watch || !window.EventSource) return;
          // Replaces the sections whose markup has changed, but none in which a form is being filled in.
          const known = new Map();
          const remember = (root) => {
            known.clear();
            for (const part of root.querySelectorAll("section[id]")) known.set(part.id, part.outerHTML);
          };
          const open = (root) => [...root.querySelectorAll("details[id]")].filter((d) => d.open).map((d) => d.id);
          const show = (markup) => {
            const next = new DOMParser().parseFromString(markup, "text/html").body;
            const fresh = new Map([...next.querySelectorAll("section[id]")].map((part) => [part.id, part.outerHTML]));
            const same = [...fresh.keys()].join() === [...known.keys()].join();
            const busy = document.activeElement;
            const isFilled = busy && page.contains(busy) && /^(INPUT|SELECT|TEXTAREA)$/.test(busy.tagName);
            const focus = busy && page.contains(busy) ? busy.id : "";
            const opened = open(page);
            if (!same) {
              if (isFilled) return;
              page.replaceChildren(...next.childNodes);
            } else {
              for (const [id, markup] of fresh) {
                const now = document.getElementById(id);
                if (known.get(id) === markup || !now || (isFilled && now.contains(busy))) continue;
                const part = next.querySelector("#" + CSS.escape(id));
                const old = now.querySelectorAll(".scroll"), places = [...old].map((s) => [s.scrollLeft, s.scrollTop]);
                now.replaceWith(part);
                part.querySelectorAll(".scroll").forEach((s, i) => {
                  if (places[i]) [s.scrollLeft, s.scrollTop] = places[i];
                });
              }
            }
            known.clear();
            for (const [id, markup] of fresh) known.set(id, markup);
            for (const id of opened) { const d = document.getElementById(id); if (d) d.open = true; }
            if (focus && document.activeElement === document.body) {
              const again = document.getElementById(focus);
              if (again) again.focus({ preventScroll: true });
            }
            told.textContent = "updated " + new Date().toISOString().slice(11, 19);
          };
          remember(page);
          const address = "/events?page=" + encodeURIComponent(page.dataset.watch) + "&seen=" + page.dataset.version;
          const events = new EventSource(address);
          events.addEventListener("page", (event) => show(JSON.parse(event.data)));
          events.addEventListener("end", () => { events.close(); told.textContent = ""; });
          events.onopen = () => { told.textContent = "live"; };
          events.onerror = () => { told.textContent = "not connected: trying again"; };
          addEventListener("pagehide", () => events.close());
        })();

        """
}
