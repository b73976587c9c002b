import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.StringJoiner;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.factories.ModelProviderFactory;
import org.apache.flink.table.functions.AsyncPredictFunction;
import org.apache.flink.table.functions.PredictFunction;
import org.apache.flink.table.ml.AsyncPredictRuntimeProvider;
import org.apache.flink.table.ml.ModelProvider;
import org.apache.flink.table.ml.PredictRuntimeProvider;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/**
 * `'provider' = 'model-test'`: a model that writes its inputs into its outputs. A STRING gets the column's name and the
 * inputs (`label:a|NULL`), an INT how long that is, any other type nothing. `answers` says how many rows an input gets, `async`
 * whether it is asked one row after the other (`false`), several at once (`true`), or as the planner likes (`both`); `delay` is
 * how long an answer takes where several are asked for at once.
 * Flott's tests have a provider of the same name and options in flott_api::testing.
 */
public final class ModelTest implements ModelProviderFactory {
  private static final ConfigOption<String> ASYNC = ConfigOptions.key("async").stringType().defaultValue("false");
  private static final ConfigOption<Integer> ANSWERS = ConfigOptions.key("answers").intType().defaultValue(1);
  private static final ConfigOption<Duration> DELAY = ConfigOptions.key("delay").durationType().defaultValue(Duration.ZERO);
  private static final ConfigOption<String> API_KEY = ConfigOptions.key("api-key").stringType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "model-test";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of();
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of(ASYNC, ANSWERS, DELAY, API_KEY);
  }

  @Override
  public ModelProvider createModelProvider(Context context) {
    FactoryUtil.ModelProviderFactoryHelper helper = FactoryUtil.createModelProviderFactoryHelper(this, context);
    helper.validate();
    RowType output = (RowType) context.getCatalogModel().getResolvedOutputSchema().toPhysicalRowDataType().getLogicalType();
    Answers answers = new Answers(output, helper.getOptions().get(ANSWERS), helper.getOptions().get(DELAY).toMillis());
    switch (helper.getOptions().get(ASYNC)) {
      case "true":
        return new AsyncProvider(answers);
      case "both":
        return new BothProvider(answers);
      default:
        return new SyncProvider(answers);
    }
  }

  private static final class Answers implements java.io.Serializable {
    private final RowType output;
    private final int answers;
    private final long delay;

    Answers(RowType output, int answers, long delay) {
      this.output = output;
      this.answers = answers;
      this.delay = delay;
    }

    Collection<RowData> of(RowData input) {
      StringJoiner inputs = new StringJoiner("|");
      for (int i = 0; i < input.getArity(); i++) {
        Object value = ((GenericRowData) input).getField(i);
        inputs.add(value == null ? "NULL" : value.toString());
      }
      List<RowData> rows = new ArrayList<>();
      for (int answer = 0; answer < answers; answer++) {
        GenericRowData row = new GenericRowData(output.getFieldCount());
        for (int i = 0; i < output.getFieldCount(); i++) {
          row.setField(i, value(output.getTypeAt(i), output.getFieldNames().get(i) + ":" + inputs));
        }
        rows.add(row);
      }
      return rows;
    }

    private static Object value(LogicalType type, String text) {
      switch (type.getTypeRoot()) {
        case VARCHAR:
          return StringData.fromString(text);
        case INTEGER:
          return text.length();
        default:
          return null;
      }
    }
  }

  public static final class Sync extends PredictFunction {
    private final Answers answers;

    Sync(Answers answers) {
      this.answers = answers;
    }

    @Override
    public Collection<RowData> predict(RowData input) {
      return answers.of(input);
    }
  }

  public static final class Async extends AsyncPredictFunction {
    private final Answers answers;

    Async(Answers answers) {
      this.answers = answers;
    }

    @Override
    public CompletableFuture<Collection<RowData>> asyncPredict(RowData input) {
      return CompletableFuture.supplyAsync(
          () -> answers.of(input), CompletableFuture.delayedExecutor(answers.delay, TimeUnit.MILLISECONDS));
    }
  }

  private static final class SyncProvider implements PredictRuntimeProvider {
    private final Answers answers;

    SyncProvider(Answers answers) {
      this.answers = answers;
    }

    @Override
    public PredictFunction createPredictFunction(Context context) {
      return new Sync(answers);
    }

    @Override
    public ModelProvider copy() {
      return this;
    }
  }

  private static final class AsyncProvider implements AsyncPredictRuntimeProvider {
    private final Answers answers;

    AsyncProvider(Answers answers) {
      this.answers = answers;
    }

    @Override
    public AsyncPredictFunction createAsyncPredictFunction(Context context) {
      return new Async(answers);
    }

    @Override
    public ModelProvider copy() {
      return this;
    }
  }

  private static final class BothProvider implements PredictRuntimeProvider, AsyncPredictRuntimeProvider {
    private final Answers answers;

    BothProvider(Answers answers) {
      this.answers = answers;
    }

    @Override
    public PredictFunction createPredictFunction(PredictRuntimeProvider.Context context) {
      return new Sync(answers);
    }

    @Override
    public AsyncPredictFunction createAsyncPredictFunction(AsyncPredictRuntimeProvider.Context context) {
      return new Async(answers);
    }

    @Override
    public ModelProvider copy() {
      return this;
    }
  }
}
