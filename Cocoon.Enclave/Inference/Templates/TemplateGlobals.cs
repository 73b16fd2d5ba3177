using System.Globalization;
using System.Text;

namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Functions that every template has.</summary>
internal static class TemplateGlobals
{
    private const int MaxRange = 100_000;

    public static object? Find(string name, TemplateContext context) => name switch
    {
        "range" => new TemplateFunction(name, Range),
        "namespace" => new TemplateFunction(name, Namespace),
        "dict" => new TemplateFunction(name, Dictionary),
        "raise_exception" => new TemplateFunction(name, a => Raise(a, context)),
        "strftime_now" => new TemplateFunction(name, a => new TemplateString(Time(context.Clock.GetUtcNow(), a.Text(0, "format").Text))),
        _ => null,
    };

    private static object Raise(CallArguments arguments, TemplateContext context)
    {
        // The template's own words are for the requester; words of a message must not travel in an exception.
        TemplateString reason = TemplateValues.Text(arguments.Get(0, "message", new TemplateString("")), context);
        throw new TemplateException(TemplateErrorCode.Raised, reason.HasInput ? "the chat template refuses this conversation" : reason.Text[..Math.Min(reason.Length, 200)]);
    }

    private static List<object?> Range(CallArguments arguments)
    {
        long start = arguments.Positional.Count > 1 ? arguments.Integer(0, "start", 0) : 0;
        long stop = arguments.Positional.Count > 1 ? arguments.Integer(1, "stop", 0) : arguments.Integer(0, "stop", 0);
        long step = arguments.Integer(2, "step", 1);
        if (step == 0)
        {
            throw new TemplateException(TemplateErrorCode.Type, "a range's step is not zero");
        }

        List<object?> range = [];
        for (Int128 i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            if (range.Count >= MaxRange)
            {
                throw new TemplateException(TemplateErrorCode.Limit, "a range is too long");
            }

            range.Add((long)i);
        }

        return range;
    }

    private static TemplateNamespace Namespace(CallArguments arguments)
    {
        TemplateNamespace space = new();
        if (arguments.Positional is [TemplateMap initial])
        {
            foreach ((string key, object? value) in initial.Items)
            {
                space.Values[key] = value;
            }
        }

        foreach ((string key, object? value) in arguments.Named)
        {
            space.Values[key] = value;
        }

        return space;
    }

    private static TemplateMap Dictionary(CallArguments arguments)
    {
        TemplateMap? initial = arguments.Positional is [TemplateMap first] ? first : null;
        TemplateMap map = new(initial?.IsInput ?? false);
        foreach ((string key, object? value) in (initial?.Items ?? []).Concat(arguments.Named))
        {
            map[key] = value;
        }

        return map;
    }

    /// <summary>The directives of <c>strftime</c> that templates use; others are copied.</summary>
    private static string Time(DateTimeOffset now, string format)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 >= format.Length)
            {
                text.Append(format[i]);
                continue;
            }

            bool unpadded = format[i + 1] == '-' && i + 2 < format.Length;
            i += unpadded ? 2 : 1;
            string? pattern = format[i] switch
            {
                'Y' => "yyyy",
                'y' => "yy",
                'm' => unpadded ? "%M" : "MM",
                'd' => unpadded ? "%d" : "dd",
                'B' => "MMMM",
                'b' => "MMM",
                'A' => "dddd",
                'a' => "ddd",
                'H' => unpadded ? "%H" : "HH",
                'I' => unpadded ? "%h" : "hh",
                'M' => unpadded ? "%m" : "mm",
                'S' => unpadded ? "%s" : "ss",
                'p' => "tt",
                'Z' => "'UTC'",
                'z' => "'+0000'",
                'F' => "yyyy-MM-dd",
                'T' => "HH:mm:ss",
                _ => null,
            };
            text.Append(pattern is not null
                ? now.ToString(pattern, CultureInfo.InvariantCulture)
                : format[i] == 'j' ? now.DayOfYear.ToString(unpadded ? "D" : "D3", CultureInfo.InvariantCulture) : format[i] == '%' ? "%" : "%" + format[i]);
        }

        return text.ToString();
    }
}
