# Makes list items in mdoc of what teleops --help prints: a line for each verb, and one that says what it does.
function text(s)
{
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	return s
}
/^  teleops [a-z]/ {
	sub(/^  teleops /, "")
	match($0, /^[a-z]+( [a-z]+)?( |$)/)
	name = substr($0, 1, RLENGTH)
	print ".It \"\\fB" text(name) "\\fR" text(substr($0, RLENGTH + 1)) "\""
	shown = 1
	next
}
shown && /^        / {
	sub(/^ +/, "")
	print toupper(substr($0, 1, 1)) substr($0, 2) "."
	shown = 0
}
