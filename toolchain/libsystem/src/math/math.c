/* What the CPU computes with one instruction, and functions of float by way of double. */
#include <math.h>

#define ONE_INSTRUCTION(name)                  \
	double name(double x)                  \
	{                                      \
		return __builtin_##name(x);    \
	}                                      \
	float name##f(float x)                 \
	{                                      \
		return __builtin_##name##f(x); \
	}

#define TWO_OPERANDS(name)                        \
	double name(double x, double y)           \
	{                                         \
		return __builtin_##name(x, y);    \
	}                                         \
	float name##f(float x, float y)           \
	{                                         \
		return __builtin_##name##f(x, y); \
	}

/* clang-format off */
ONE_INSTRUCTION(ceil)
ONE_INSTRUCTION(fabs)
ONE_INSTRUCTION(floor)
ONE_INSTRUCTION(nearbyint)
ONE_INSTRUCTION(rint)
ONE_INSTRUCTION(round)
ONE_INSTRUCTION(sqrt)
ONE_INSTRUCTION(trunc)
TWO_OPERANDS(copysign)
TWO_OPERANDS(fmax)
TWO_OPERANDS(fmin)

#define FLOAT_1(name)                          \
	float name##f(float x)                 \
	{                                      \
		return (float)name((double)x); \
	}
#define FLOAT_2(name)                                     \
	float name##f(float x, float y)                   \
	{                                                 \
		return (float)name((double)x, (double)y); \
	}

FLOAT_1(acos)
FLOAT_1(acosh)
FLOAT_1(asin)
FLOAT_1(asinh)
FLOAT_1(atan)
FLOAT_1(atanh)
FLOAT_2(atan2)
FLOAT_1(cbrt)
FLOAT_1(cos)
FLOAT_1(cosh)
FLOAT_1(erf)
FLOAT_1(erfc)
FLOAT_1(exp)
FLOAT_1(exp2)
FLOAT_1(expm1)
FLOAT_2(fmod)
FLOAT_2(hypot)
FLOAT_1(log)
FLOAT_1(log10)
FLOAT_1(log1p)
FLOAT_1(log2)
FLOAT_1(logb)
FLOAT_2(pow)
FLOAT_2(remainder)
FLOAT_1(sin)
FLOAT_1(sinh)
FLOAT_1(tan)
FLOAT_1(tanh)
/* clang-format on */

double
fdim(double x, double y)
{
	return x > y ? x - y : x == x && y == y ? 0.0 : x + y;
}

float
fdimf(float x, float y)
{
	return (float)fdim((double)x, (double)y);
}

double
fma(double x, double y, double z)
{
	return __builtin_fma(x, y, z);
}

float
fmaf(float x, float y, float z)
{
	return __builtin_fmaf(x, y, z);
}

long
lrint(double x)
{
	return __builtin_lrint(x);
}

long
lround(double x)
{
	return __builtin_lround(x);
}

long long
llrint(double x)
{
	return __builtin_llrint(x);
}

long long
llround(double x)
{
	return __builtin_llround(x);
}

/* The compiler asks for both at once; the pair comes back in d0 and d1. */
struct sincos {
	double sin, cos;
};

struct sincos __sincos_stret(double x);

struct sincos
__sincos_stret(double x)
{
	return (struct sincos){ sin(x), cos(x) };
}
