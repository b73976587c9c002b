import org.apache.flink.table.annotation.ArgumentHint;
import org.apache.flink.table.annotation.ArgumentTrait;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.StateHint;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.dataview.ListView;
import org.apache.flink.table.api.dataview.MapView;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.functions.ChangelogFunction;
import org.apache.flink.table.functions.ProcessTableFunction;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;

/** Process table functions for the cases of `process`; `flott_api::testing::process` has the same in Rust. */
public final class Functions {
  private Functions() {}

  static void register(TableEnvironment tables) {
    tables.createTemporarySystemFunction("COUNTER", Counter.class);
    tables.createTemporarySystemFunction("TOTAL", Total.class);
    tables.createTemporarySystemFunction("REPEATED", Repeated.class);
    tables.createTemporarySystemFunction("IDLE", Idle.class);
    tables.createTemporarySystemFunction("REMINDERS", Reminders.class);
    tables.createTemporarySystemFunction("PAIRS", Pairs.class);
    tables.createTemporarySystemFunction("TALLY", Tally.class);
    tables.createTemporarySystemFunction("KINDS", Kinds.class);
    tables.createTemporarySystemFunction("KINDS_BEFORE", KindsBefore.class);
    tables.createTemporarySystemFunction("KINDS_FULL", KindsFull.class);
    tables.createTemporarySystemFunction("KINDS_OF_ROWS", KindsOfRows.class);
    tables.createTemporarySystemFunction("LATEST", Latest.class);
    tables.createTemporarySystemFunction("LATEST_RETRACTING", LatestRetracting.class);
    tables.createTemporarySystemFunction("NUMBERS", Numbers.class);
  }

  /** Counts the rows of each partition by a step. */
  @DataTypeHint("ROW<n BIGINT>")
  public static class Counter extends ProcessTableFunction<Row> {
    public void eval(@StateHint(type = @DataTypeHint("ROW<n BIGINT>")) Row counted,
        @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row input,
        @ArgumentHint(isOptional = true) Integer step) {
      Long before = counted.getFieldAs("n");
      long n = (before == null ? 0 : before) + (step == null ? 1 : step);
      counted.setField("n", n);
      collect(Row.of(n));
    }
  }

  /** The same with all columns of the row, of one partition if none is named. */
  @DataTypeHint("ROW<total BIGINT>")
  public static class Total extends ProcessTableFunction<Row> {
    public void eval(@StateHint(type = @DataTypeHint("ROW<n BIGINT>")) Row counted,
        @ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.OPTIONAL_PARTITION_BY, ArgumentTrait.PASS_COLUMNS_THROUGH}) Row input) {
      Long before = counted.getFieldAs("n");
      long n = (before == null ? 0 : before) + 1;
      counted.setField("n", n);
      collect(Row.of(n));
    }
  }

  /** Each row some times, with a label. */
  @DataTypeHint("ROW<i INT, label STRING>")
  public static class Repeated extends ProcessTableFunction<Row> {
    public void eval(@ArgumentHint({ArgumentTrait.ROW_SEMANTIC_TABLE, ArgumentTrait.PASS_COLUMNS_THROUGH}) Row input,
        Integer times, @ArgumentHint(isOptional = true) String label) {
      for (int i = 1; times != null && i <= times; i++) {
        collect(Row.of(i, label));
      }
    }
  }

  /** How many rows of a partition came without a gap of this length between the last one and the watermark. */
  @DataTypeHint("ROW<seen BIGINT>")
  public static class Idle extends ProcessTableFunction<Row> {
    public void eval(Context ctx, @StateHint(type = @DataTypeHint("ROW<n BIGINT>")) Row counted,
        @ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.REQUIRE_ON_TIME}) Row input, Integer gapMs) {
      Long before = counted.getFieldAs("n");
      counted.setField("n", (before == null ? 0 : before) + 1);
      TimeContext<Long> time = ctx.timeContext(Long.class);
      time.registerOnTime("idle", time.time() + gapMs);
    }

    public void onTimer(OnTimerContext ctx, Row counted) {
      collect(Row.of(counted.<Long>getFieldAs("n")));
      ctx.clearAll();
    }
  }

  /** Each row, and one and two seconds later a reminder. A second reminder at the same time is the same. */
  @DataTypeHint("ROW<what STRING, late BOOLEAN>")
  public static class Reminders extends ProcessTableFunction<Row> {
    public void eval(Context ctx, @StateHint(type = @DataTypeHint("ROW<n BIGINT>")) Row fired,
        @ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.REQUIRE_ON_TIME}) Row input) {
      TimeContext<Long> time = ctx.timeContext(Long.class);
      Long watermark = time.currentWatermark();
      collect(Row.of("row", watermark != null && time.time() <= watermark));
      time.registerOnTime(time.time() + 1000);
      time.registerOnTime(time.time() + 2000);
      if (fired.getFieldAs("n") != null && fired.<Long>getFieldAs("n") % 2 == 1) {
        time.clearTimer(time.time() + 1000);
      }
    }

    public void onTimer(OnTimerContext ctx, Row fired) {
      Long before = fired.getFieldAs("n");
      long n = (before == null ? 0 : before) + 1;
      fired.setField("n", n);
      collect(Row.of((ctx.currentTimer() == null ? "timer " : "named ") + n, false));
      if (n == 4) {
        ctx.clearAllTimers();
      }
    }
  }

  /** Every value of the left with every one of the right of the same key. */
  @DataTypeHint("ROW<l STRING, r STRING>")
  public static class Pairs extends ProcessTableFunction<Row> {
    public void eval(@StateHint ListView<String> lefts, @StateHint ListView<String> rights,
        @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row l, @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row r)
        throws Exception {
      if (l != null) {
        String value = String.valueOf(l.getField(0));
        lefts.add(value);
        for (String other : rights.get()) {
          collect(Row.of(value, other));
        }
      }
      if (r != null) {
        String value = String.valueOf(r.getField(0));
        rights.add(value);
        for (String other : lefts.get()) {
          collect(Row.of(other, value));
        }
      }
    }
  }

  /** How often the second column has had its value in the partition; at the limit the value is forgotten. */
  @DataTypeHint("ROW<v STRING, n BIGINT, known INT>")
  public static class Tally extends ProcessTableFunction<Row> {
    public void eval(@StateHint MapView<String, Long> counts,
        @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row input, @ArgumentHint(isOptional = true) Integer most) throws Exception {
      String value = String.valueOf(input.getField(1));
      Long before = counts.get(value);
      long n = (before == null ? 0 : before) + 1;
      if (most != null && n >= most) {
        counts.remove(value);
      } else {
        counts.put(value, n);
      }
      int known = 0;
      for (String key : counts.keys()) {
        known++;
      }
      collect(Row.of(value, n, known));
    }
  }

  private static Row kind(Row input) {
    return Row.of(input.getKind().name(), input.getField(0) + "/" + input.getField(1));
  }

  /** What kinds of changes come. */
  @DataTypeHint("ROW<kind STRING, v STRING>")
  public static class Kinds extends ProcessTableFunction<Row> {
    public void eval(@ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.SUPPORT_UPDATES}) Row input) {
      collect(kind(input));
    }
  }

  /** The same with the old row of an update. */
  @DataTypeHint("ROW<kind STRING, v STRING>")
  public static class KindsBefore extends ProcessTableFunction<Row> {
    public void eval(@ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.SUPPORT_UPDATES, ArgumentTrait.REQUIRE_UPDATE_BEFORE}) Row input) {
      collect(kind(input));
    }
  }

  /** The same with all columns of a deletion. */
  @DataTypeHint("ROW<kind STRING, v STRING>")
  public static class KindsFull extends ProcessTableFunction<Row> {
    public void eval(@ArgumentHint({ArgumentTrait.SET_SEMANTIC_TABLE, ArgumentTrait.SUPPORT_UPDATES, ArgumentTrait.REQUIRE_FULL_DELETE}) Row input) {
      collect(kind(input));
    }
  }

  /** The same without partitions. */
  @DataTypeHint("ROW<kind STRING, v STRING>")
  public static class KindsOfRows extends ProcessTableFunction<Row> {
    public void eval(@ArgumentHint({ArgumentTrait.ROW_SEMANTIC_TABLE, ArgumentTrait.SUPPORT_UPDATES}) Row input) {
      collect(kind(input));
    }
  }

  /** The last value of the third column in the partition as an upserted row; a null takes it away. */
  @DataTypeHint("ROW<v INT, n BIGINT>")
  public static class Latest extends ProcessTableFunction<Row> implements ChangelogFunction {
    public void eval(@StateHint(type = @DataTypeHint("ROW<v INT, n BIGINT>")) Row last,
        @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row input) {
      Integer value = input.getFieldAs(2);
      Long before = last.getFieldAs("n");
      if (value == null) {
        if (before != null) {
          collect(Row.ofKind(RowKind.DELETE, last.getField("v"), before));
          last.setField("v", null);
          last.setField("n", null);
        }
        return;
      }
      long n = (before == null ? 0 : before) + 1;
      last.setField("v", value);
      last.setField("n", n);
      collect(Row.ofKind(before == null ? RowKind.INSERT : RowKind.UPDATE_AFTER, value, n));
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogContext context) {
      return ChangelogMode.upsert(false);
    }
  }

  /** The same with the old row of each update. */
  @DataTypeHint("ROW<v INT, n BIGINT>")
  public static class LatestRetracting extends ProcessTableFunction<Row> implements ChangelogFunction {
    public void eval(@StateHint(type = @DataTypeHint("ROW<v INT, n BIGINT>")) Row last,
        @ArgumentHint(ArgumentTrait.SET_SEMANTIC_TABLE) Row input) {
      Integer value = input.getFieldAs(2);
      Long before = last.getFieldAs("n");
      if (value == null) {
        if (before != null) {
          collect(Row.ofKind(RowKind.DELETE, last.getField("v"), before));
          last.setField("v", null);
          last.setField("n", null);
        }
        return;
      }
      long n = (before == null ? 0 : before) + 1;
      if (before != null) {
        collect(Row.ofKind(RowKind.UPDATE_BEFORE, last.getField("v"), before));
      }
      last.setField("v", value);
      last.setField("n", n);
      collect(Row.ofKind(before == null ? RowKind.INSERT : RowKind.UPDATE_AFTER, value, n));
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogContext context) {
      return ChangelogMode.all();
    }
  }

  /** The numbers from 1 on, of no table. */
  @DataTypeHint("ROW<i INT>")
  public static class Numbers extends ProcessTableFunction<Row> {
    public void eval(Integer count) {
      for (int i = 1; i <= count; i++) {
        collect(Row.of(i));
      }
    }
  }
}
