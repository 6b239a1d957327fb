-- wrk -t1 -s post.lua URL -- FIRST_UPDATE FIRST_PERSON PEOPLE SECRET
-- Posts a new update each time, as Telegram does, of one person after the other. One thread (-t1): the numbers are counted here.

local next_update, first_person, people
local headers = {["Content-Type"] = "application/json"}
local shape = '{"update_id":%.0f,"message":{"message_id":1365,"from":{"id":%.0f,"is_bot":false,"first_name":"Jonathan","last_name":"Testerson",'
	.. '"username":"jtesterson%.0f","language_code":"en"},"chat":{"id":%.0f,"first_name":"Jonathan","last_name":"Testerson",'
	.. '"username":"jtesterson%.0f","type":"private"},"date":1441645532,"text":"/note web-frontend-3 shows errors again since the last deployment, '
	.. 'please look at the load average of each host","entities":[{"offset":0,"length":5,"type":"bot_command"}]}}'

function init(args)
	next_update, first_person, people = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
	headers["X-Telegram-Bot-Api-Secret-Token"] = args[4]
end

function request()
	local who = first_person + next_update % people
	local body = string.format(shape, next_update, who, who, who, who)

	next_update = next_update + 1
	return wrk.format("POST", nil, headers, body)
end

-- The numbers that bench/run reads: requests, seconds, p50 and p99 in ms, answers other than 2xx and 3xx, broken connections.
function done(summary, latency, requests)
	local e = summary.errors

	io.write(string.format("\nwrk: %d %.6f %.3f %.3f %d %d\n", summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
		latency:percentile(99) / 1000, e.status, e.connect + e.read + e.write + e.timeout))
end
