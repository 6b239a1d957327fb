# Makes list items in mdoc of what teleops conf reference prints: a comment, then #key = value.
function text(s)
{
	gsub(/\\/, "\\e", s)
	return s ~ /^[.']/ ? "\\&" s : s
}
/^# / { why = substr($0, 3); next }
/^#[a-z_]+ =/ {
	key = substr($1, 2)
	value = $0
	sub(/^[^=]*= ?/, "", value)
	print ".It Ic " key
	print text(why) "."
	if (value != "")
		print "Default:\n.Ql " text(value)
}
