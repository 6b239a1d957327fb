// What makes the pages nicer; none of it is needed.
"use strict";

// A part of a page that changes by itself: asked for anew as long as it says so, and no longer than somebody is there.
(function () {
    const live = document.getElementById("live");
    const said = document.getElementById("live-said");
    let until = Date.now() + 15 * 60 * 1000;

    function running() {
        return live.querySelector("[data-running]") !== null;
    }

    function show(text) {
        const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
        const state = live.querySelector("[data-state]").textContent;
        const output = document.getElementById("output");
        const atEnd = !output || output.scrollTop + output.clientHeight >= output.scrollHeight - 4;

        live.innerHTML = text;
        if (focused && document.getElementById(focused))
            document.getElementById(focused).focus();
        if (atEnd && document.getElementById("output"))
            document.getElementById("output").scrollTop = document.getElementById("output").scrollHeight;
        if (!running() && live.querySelector("[data-state]").textContent !== state)
            said.textContent = live.querySelector("[data-state]").textContent.trim();
    }

    async function turn() {
        if (!running() || Date.now() > until)
            return;
        if (!document.hidden) {
            const answer = await fetch(live.dataset.live, {redirect: "manual"}).catch(() => null);

            // Signed out, or not there any more: what is shown stays as it is.
            if (answer && !answer.ok)
                return;
            if (answer)
                show(await answer.text());
        }
        setTimeout(turn, Number(live.dataset.every));
    }

    if (!live || !window.fetch)
        return;
    for (const event of ["keydown", "pointerdown"])
        document.addEventListener(event, () => { until = Date.now() + 15 * 60 * 1000; });
    setTimeout(turn, Number(live.dataset.every));
}());
