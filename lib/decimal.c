#include "lib/decimal.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS_MOST = 64, EXPONENT_MOST = 308 };

/* 0.d1d2d3… times ten to the power of point; no digit is a zero at either end. Zero has no digits. */
struct decimal {
	bool negative;
	char digits[DIGITS_MOST];
	int n;
	int point;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool read_exponent(const char *s, struct decimal *d)
{
	int value = 0, sign = 1, n;

	if (*s == '-' || *s == '+')
		sign = *s++ == '-' ? -1 : 1;
	for (n = 0; is_digit(s[n]) && n < 4; n++)
		value = value * 10 + s[n] - '0';
	d->point += sign * value;
	return n && !s[n] && value <= EXPONENT_MOST;
}

static void strip(struct decimal *d)
{
	int zeros = 0;

	while (zeros < d->n && d->digits[zeros] == '0')
		zeros++;
	memmove(d->digits, d->digits + zeros, (size_t)(d->n - zeros));
	d->n -= zeros;
	d->point -= zeros;
	while (d->n && d->digits[d->n - 1] == '0')
		d->n--;
	if (!d->n)
		*d = (struct decimal){0};
}

static bool read_decimal(const char *s, struct decimal *d)
{
	bool point = false;

	*d = (struct decimal){0};
	if (*s == '-' || *s == '+')
		d->negative = *s++ == '-';
	for (; is_digit(*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		if (d->n == DIGITS_MOST)
			return false;
		d->digits[d->n++] = *s;
		d->point += !point;
	}
	if (!d->n || (*s && *s != 'e' && *s != 'E') || (*s && !read_exponent(s + 1, d)))
		return false;
	strip(d);
	return true;
}

bool tele_decimal_is(const char *text)
{
	struct decimal d;

	return read_decimal(text, &d);
}

static int compare_size(const struct decimal *a, const struct decimal *b)
{
	int least = a->n < b->n ? a->n : b->n, differ;

	if (a->point != b->point)
		return a->point < b->point ? -1 : 1;
	differ = memcmp(a->digits, b->digits, (size_t)least);
	return differ ? differ : a->n - b->n;
}

int tele_decimal_compare(const char *a, const char *b)
{
	struct decimal x, y;

	if (!read_decimal(a, &x) || !read_decimal(b, &y))
		return 0;
	if (!x.n || !y.n)
		return (x.n ? (x.negative ? -1 : 1) : 0) - (y.n ? (y.negative ? -1 : 1) : 0);
	if (x.negative != y.negative)
		return x.negative ? -1 : 1;
	return x.negative ? compare_size(&y, &x) : compare_size(&x, &y);
}

void tele_decimal_write(struct tele_buf *out, const char *number)
{
	size_t whole, fraction;

	if (*number == '-')
		tele_buf_char(out, '-');
	number += *number == '-' || *number == '+';
	while (*number == '0' && is_digit(number[1]))
		number++;
	whole = strspn(number, "0123456789");
	if (!whole)
		tele_buf_char(out, '0');
	tele_buf_add(out, number, whole);
	number += whole;
	fraction = *number == '.' ? strspn(number + 1, "0123456789") : 0;
	if (fraction)
		tele_buf_add(out, number, fraction + 1);
	tele_buf_str(out, number + fraction + (*number == '.'));
}
