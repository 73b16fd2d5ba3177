using System.Globalization;
using static Cocoon.Enclave.Inference.Grammars.GrammarNode;

namespace Cocoon.Enclave.Inference.Grammars;

/// <summary>Decimal notation of the integers of a range.</summary>
internal static class WholeNumbers
{
    /// <summary>Both ends included; matches nothing when the range is empty.</summary>
    public static GrammarNode Between(long low, long high)
    {
        List<GrammarNode> ways = [];
        if (low < 0 && low <= high)
        {
            ways.Add(InOrder(new Literal("-"), NotNegative(high < 0 ? -high : 1, -low)));
        }

        if (high >= 0 && low <= high)
        {
            ways.Add(NotNegative(Math.Max(low, 0), high));
        }

        return OneOf([.. ways]);
    }

    /// <summary>Range by range of equal length.</summary>
    private static GrammarNode NotNegative(long low, long high)
    {
        List<GrammarNode> ways = [];
        string from = low.ToString(CultureInfo.InvariantCulture);
        string to = high.ToString(CultureInfo.InvariantCulture);
        for (int length = from.Length; length <= to.Length; length++)
        {
            string first = length == from.Length ? from : "1" + new string('0', length - 1);
            string last = length == to.Length ? to : new string('9', length);
            ways.Add(SameLength(first, last));
        }

        return OneOf([.. ways]);
    }

    private static GrammarNode SameLength(string first, string last)
    {
        int common = first.AsSpan().CommonPrefixLength(last);
        if (common == first.Length)
        {
            return new Literal(first);
        }

        string restFirst = first[(common + 1)..];
        string restLast = last[(common + 1)..];
        char a = first[common];
        char b = last[common];
        List<GrammarNode> ways = [];

        // The lowest digit only with what is at least the rest of the lower end, likewise the highest; those between with anything.
        if (restFirst.Any(c => c != '0'))
        {
            ways.Add(InOrder(new Literal(a.ToString()), SameLength(restFirst, new string('9', restFirst.Length))));
            a++;
        }

        bool endsInNines = restLast.All(c => c == '9');
        char full = endsInNines ? b : (char)(b - 1);
        if (a <= full)
        {
            GrammarNode digits = new Repeat(new Character(CharacterSet.Digits), restFirst.Length, restFirst.Length);
            ways.Add(InOrder(new Character(CharacterSet.Of((a, full))), digits));
        }

        if (!endsInNines)
        {
            ways.Add(InOrder(new Literal(b.ToString()), SameLength(new string('0', restLast.Length), restLast)));
        }

        return InOrder(new Literal(first[..common]), OneOf([.. ways]));
    }
}
