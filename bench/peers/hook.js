// node hook.js KIND SOCKET: a bot as grammY's documentation shows it, behind a webhook. Each update is committed as a job before the 200.
// Where the database is comes from PG* of the environment, the secret from BENCH_SECRET.
"use strict";
const fs = require("fs");
const http = require("http");
const { Bot, webhookCallback } = require("grammy");
const { Pool } = require("pg");

const [, , kind, socket] = process.argv;
const CONNECTIONS = 10;
const INSERT = "WITH new AS (INSERT INTO updates (update_id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING update_id) "
	+ "INSERT INTO task (update_id, kind) SELECT update_id, 'note' FROM new";

function pool() {
	const made = new Pool({ max: CONNECTIONS });
	made.on("error", console.error);
	made.on("connect", (client) => client.on("error", console.error));
	return made;
}

// What makes a job of an update; resolves once it is committed.
const queues = {
	async graphile() {
		const { makeWorkerUtils } = require("graphile-worker");
		const utils = await makeWorkerUtils({ pgPool: pool() });
		await utils.migrate();
		return (update) => utils.addJob("task", update);
	},
	async pgboss() {
		const PgBoss = require("pg-boss");
		const boss = new PgBoss({ host: process.env.PGHOST, port: +process.env.PGPORT, user: process.env.PGUSER, database: process.env.PGDATABASE,
			max: CONNECTIONS, supervise: false, schedule: false });
		boss.on("error", console.error);
		await boss.start();
		await boss.createQueue("task");
		return (update) => boss.send("task", update);
	},
	async insert() {
		const jobs = pool();
		await jobs.query("CREATE TABLE IF NOT EXISTS updates (update_id bigint PRIMARY KEY, body jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now())");
		await jobs.query("CREATE TABLE IF NOT EXISTS task (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, update_id bigint NOT NULL, kind text NOT NULL, "
			+ "state smallint NOT NULL DEFAULT 0, at timestamptz NOT NULL DEFAULT now())");
		return (update) => jobs.query({ name: "insert", text: INSERT, values: [update.update_id, update] });
	},
};

async function main() {
	const bot = new Bot("1:bench", { botInfo: { id: 1, is_bot: true, first_name: "bench", username: "bench_bot", can_join_groups: false,
		can_read_all_group_messages: false, supports_inline_queries: false } });
	const add = await queues[kind]();
	bot.on("message", (ctx) => add(ctx.update));
	const answer = webhookCallback(bot, "http", { secretToken: process.env.BENCH_SECRET });
	const server = http.createServer((request, response) => {
		answer(request, response).catch((error) => {
			console.error(error);
			response.statusCode = 500;
			response.end();
		});
	});
	server.keepAliveTimeout = 600_000;
	server.listen(socket, () => fs.chmodSync(socket, 0o666));
}

main();
