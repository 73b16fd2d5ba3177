namespace Cocoon.Enclave.Inference.Templates;

/// <summary>Jinja's <c>is</c> tests.</summary>
internal static class TemplateTests
{
    public static bool Check(string name, object? value, CallArguments a, TemplateContext context) => name switch
    {
        "defined" => value is not Undefined,
        "undefined" => value is Undefined,
        "none" => value is null,
        "string" => value is TemplateString,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "integer" => value is long,
        "float" => value is double,
        "number" => value is long or double or bool,
        "mapping" => value is TemplateMap,
        "sequence" => value is List<object?> or TemplateString or TemplateMap,
        "iterable" => value is List<object?> or TemplateString or TemplateMap or Undefined,
        "callable" => value is TemplateFunction,
        "even" => Integer(value) % 2 == 0,
        "odd" => Integer(value) % 2 != 0,
        "divisibleby" => a.Integer(0, "num", 1) is not 0 and var n && Integer(value) % n == 0,
        "lower" => TemplateValues.Text(value, context).Text is var low && !low.Any(char.IsUpper) && low.Any(char.IsLetter),
        "upper" => TemplateValues.Text(value, context).Text is var up && !up.Any(char.IsLower) && up.Any(char.IsLetter),
        "in" => CompareExpression.Contains(a.Get(0, "seq", null), value, context),
        "sameas" => TemplateValues.Same(value, a.Get(0, "other", null), context) && value?.GetType() == a.Get(0, "other", null)?.GetType(),
        "eq" or "equalto" or "==" => TemplateValues.Same(value, a.Get(0, "other", null), context),
        "ne" or "!=" => !TemplateValues.Same(value, a.Get(0, "other", null), context),
        "lt" or "lessthan" or "<" => TemplateValues.Compare(value, a.Get(0, "other", null), context) < 0,
        "le" or "<=" => TemplateValues.Compare(value, a.Get(0, "other", null), context) <= 0,
        "gt" or "greaterthan" or ">" => TemplateValues.Compare(value, a.Get(0, "other", null), context) > 0,
        "ge" or ">=" => TemplateValues.Compare(value, a.Get(0, "other", null), context) >= 0,
        _ => throw new TemplateException(TemplateErrorCode.Syntax, $"test {name} is not supported"),
    };

    private static long Integer(object? value) => value switch
    {
        long l => l,
        bool b => b ? 1 : 0,
        _ => throw new TemplateException(TemplateErrorCode.Type, "this test needs an integer"),
    };
}
