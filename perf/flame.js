"use strict";
/* A flame graph's behaviour: click to zoom, search, what the pointer is on. The picture is complete without it. */
(() => {
	const root = document.documentElement;
	const frames = [...root.querySelectorAll("g.f")].map((g) => ({
		g,
		rect: g.querySelector("rect"),
		text: g.querySelector("text"),
		name: g.dataset.n,
		left: +g.dataset.l,
		right: +g.dataset.r,
		depth: +g.dataset.d,
	}));
	const area = root.querySelector("#frames");
	const from = +area.dataset.x, width = +area.dataset.w, letter = +area.dataset.c;
	const told = root.querySelector("#told"), found = root.querySelector("#found");
	const reset = root.querySelector("#reset"), field = root.querySelector("#field");
	const plain = told.textContent;
	let zoomed = null;

	function fit(name, room) {
		const most = Math.floor((room - 6) / letter);
		return most >= name.length ? name : most < 3 ? "" : name.slice(0, most - 1) + "…";
	}

	function draw() {
		const left = zoomed ? zoomed.left : 0, right = zoomed ? zoomed.right : 1;
		const scale = width / (right - left);
		for (const f of frames) {
			const above = zoomed && f.depth < zoomed.depth;
			const shown = above ? f.left <= left && f.right >= right : f.left >= left && f.right <= right;
			f.g.style.display = shown ? "" : "none";
			f.g.classList.toggle("parent", Boolean(above));
			if (shown) {
				const x = above ? from : from + (f.left - left) * scale;
				const w = above ? width : (f.right - f.left) * scale;
				f.rect.setAttribute("x", x.toFixed(2));
				f.rect.setAttribute("width", Math.max(w - 0.5, 0.1).toFixed(2));
				f.text.setAttribute("x", (x + 3).toFixed(2));
				f.text.textContent = fit(f.name, w);
			}
		}
		reset.style.display = zoomed ? "" : "none";
	}

	function matching(words) {
		try {
			return new RegExp(words, "i");
		} catch (_) {
			return new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
		}
	}

	/* Marks the frames that match, and says what share lies under any of them. */
	function search(words) {
		const wanted = words ? matching(words) : null;
		let share = 0, until = -1;
		for (const f of [...frames].sort((a, b) => a.left - b.left || a.depth - b.depth)) {
			const hit = Boolean(wanted) && wanted.test(f.name);
			f.g.classList.toggle("hit", hit);
			f.g.classList.toggle("miss", Boolean(wanted) && !hit);
			if (hit && f.left >= until - 1e-9) {
				share += f.right - f.left;
				until = f.right;
			}
		}
		found.textContent = wanted ? `found: ${(100 * share).toFixed(1)} %` : "";
	}

	for (const f of frames) {
		f.g.addEventListener("click", () => {
			zoomed = f.depth === 0 || zoomed === f ? null : f;
			draw();
		});
		f.g.addEventListener("keydown", (event) => {
			if (event.key === "Enter") {
				zoomed = f.depth === 0 ? null : f;
				draw();
			}
		});
		f.g.addEventListener("mouseenter", () => {
			told.textContent = f.g.querySelector("title").textContent.replace("\n", "  ");
		});
		f.g.addEventListener("mouseleave", () => {
			told.textContent = plain;
		});
	}
	reset.addEventListener("click", () => {
		zoomed = null;
		draw();
	});
	field.addEventListener("input", () => search(field.value));
	document.addEventListener("keydown", (event) => {
		if (event.key === "Escape") {
			zoomed = null;
			field.value = "";
			search("");
			draw();
		} else if (event.key === "/" && document.activeElement !== field) {
			event.preventDefault();
			field.focus();
		}
	});
	draw();
})();
