// Reads pages, one JSON text a line, and answers each with a JSON list of what is wrong with its HTML.
"use strict";
const { HtmlValidate, StaticConfigLoader } = require("html-validate");

const validator = new HtmlValidate(new StaticConfigLoader({
	root: true,
	extends: ["html-validate:recommended"],
	rules: {
		// Boxes to tick for several of a kind share a name.
		"form-dup-name": ["error", { shared: ["radio", "checkbox", "submit"] }],
		// What has no role by itself, and a scrolling table that the keyboard must reach, are named on purpose.
		"prefer-native-element": ["error", { exclude: ["region"] }],
	},
}));

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
	const found = [];
	// A button without a type submits, and html-validate lets such ones share a name only where that is written.
	const page = JSON.parse(line).replace(/<button(?![^>]*\stype=)/g, '<button type="submit"');
	for (const result of validator.validateStringSync(page).results) {
		for (const m of result.messages) {
			found.push(`${m.line}:${m.column} ${m.ruleId}: ${m.message}`);
		}
	}
	process.stdout.write(JSON.stringify(found) + "\n");
});
