// Draws the charts of report.html from the JSON in the page, in the colours of its style sheet, and
// again when these change: light, dark, print. Needs Chart.js before it; without either the tables
// of the page hold the same numbers.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const color = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
  const series = index => color('s' + index % 6);
  const short = value => value === 0 ? '0' : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3
    ? value.toExponential(2).replace(/\.?0+e/, 'e') : String(+value.toPrecision(6));
  const drawn = [];

  const axis = (title, extra) => ({
    title: {display: !!title, text: title, color: color('dim')},
    grid: {color: color('line')}, border: {color: color('line')},
    ticks: {color: color('dim'), maxRotation: 0, autoSkipPadding: 14}, ...extra});
  // On a logarithmic axis only 1, 2 and 5 times a power of ten, as short numbers.
  const decades = {callback: value => /^[125]e/.test(value.toExponential()) ? short(value) : ''};

  const options = (scales, label, title) => ({
    animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
    interaction: {mode: 'nearest', axis: 'x', intersect: false}, scales,
    plugins: {
      legend: {labels: {color: color('ink'), boxWidth: 14, boxHeight: 2}},
      tooltip: {callbacks: {label, title}}}});

  // Vertical lines where a phase begins.
  const borders = places => ({id: 'borders', afterDatasetsDraw(chart) {
    const {ctx, chartArea: area, scales: {x}} = chart;
    ctx.save();
    ctx.strokeStyle = color('dim');
    ctx.setLineDash([4, 4]);
    for (const place of places) {
      ctx.beginPath();
      ctx.moveTo(x.getPixelForValue(place), area.top);
      ctx.lineTo(x.getPixelForValue(place), area.bottom);
      ctx.stroke();
    }
    ctx.restore();
  }});

  function curves(chart) {
    const count = Math.max(...chart.series.map(each => each.points.length));
    // Equal values get an axis from 0: Chart.js would take one from -1 to 1 around them.
    const values = chart.series.flatMap(each => each.points.map(point => point[1])).filter(y => y !== null);
    const flat = Math.max(...values) === Math.min(...values)
      ? {suggestedMin: Math.min(0, 2 * values[0]), suggestedMax: Math.max(0, 2 * values[0])} : {};
    const result = options(
      {x: axis(chart.x, {type: 'linear', offset: chart.bars,
                         ticks: {...axis().ticks, ...(chart.x === 'seconds' ? {} : {precision: 0})}}),
       y: axis('', chart.log ? {type: 'logarithmic', ticks: {...axis().ticks, ...decades}}
                             : {type: 'linear', beginAtZero: chart.bars, ...flat})},
      item => `${item.dataset.label} ${short(item.parsed.y)}`,
      items => items.length ? `${chart.x} ${items[0].parsed.x}` : '');
    result.plugins.legend.display = chart.series.length > 1 || /means/.test(chart.series[0].name);
    return {
      type: chart.bars ? 'bar' : 'line', options: result, plugins: [borders(chart.borders)],
      data: {datasets: chart.series.map((each, index) => ({
        label: each.name, data: each.points.map(([x, y]) => ({x, y})),
        borderColor: series(index), backgroundColor: series(index), borderWidth: chart.bars ? 0 : 1.8,
        pointRadius: count > 60 ? 0 : 2, pointHitRadius: 12, barPercentage: .85, categoryPercentage: 1,
        maxBarThickness: 26}))}};
  }

  // Names of kernels beside their points, where they do not cover one another.
  const labels = {id: 'labels', afterDatasetsDraw(chart) {
    const {ctx} = chart, taken = [];
    ctx.save();
    ctx.font = '11px system-ui, sans-serif';
    ctx.fillStyle = color('dim');
    chart.getDatasetMeta(0).data.forEach((point, index) => {
      const text = chart.data.datasets[0].data[index].name, width = ctx.measureText(text).width;
      const right = point.x + 8 + width > chart.chartArea.right;
      const box = {x: right ? point.x - 8 - width : point.x + 8, y: point.y - 6, w: width, h: 12};
      if (taken.some(other => box.x < other.x + other.w && other.x < box.x + box.w &&
                              box.y < other.y + other.h && other.y < box.y + box.h))
        return;
      taken.push(box);
      ctx.fillText(text, box.x, point.y + 4);
    });
    ctx.restore();
  }};

  function roofline(chart) {
    const xs = chart.kernels.map(kernel => kernel.x);
    let low = Math.min(...xs) / 3, high = Math.max(...xs) * 3;
    const sets = [{type: 'scatter', label: 'kernels', data: chart.kernels, borderColor: series(0),
                   backgroundColor: series(0), pointRadius: 5, pointHoverRadius: 7}];
    const ridge = roof => roof.flops / roof.bytes_per_second;
    for (const roof of chart.roofs) {
      low = Math.min(low, ridge(roof) / 3);
      high = Math.max(high, ridge(roof) * 3);
    }
    chart.roofs.forEach((roof, index) => {
      const at = x => ({x, y: 1e-9 * Math.min(roof.flops, x * roof.bytes_per_second)});
      const isCache = /cache/.test(roof.name);
      sets.push({type: 'line', label: roof.name, borderColor: series(index + 1), backgroundColor: series(index + 1),
                 borderWidth: 1.8, borderDash: isCache ? [5, 4] : [], pointRadius: 0,
                 data: isCache ? [at(low), at(ridge(roof))] : [at(low), at(ridge(roof)), at(high)]});
    });
    const result = options(
      {x: axis('FLOP / byte', {type: 'logarithmic', min: low, max: high, ticks: {...axis().ticks, ...decades}}),
       y: axis('GFLOP/s', {type: 'logarithmic', ticks: {...axis().ticks, ...decades}})},
      item => item.raw.name
        ? [item.raw.name, item.raw.layers.length > 60 ? item.raw.layers.slice(0, 60) + '…' : item.raw.layers,
           `${short(+item.raw.x.toPrecision(3))} FLOP/byte, ${short(+item.raw.y.toPrecision(3))} GFLOP/s`]
        : `${short(+item.parsed.y.toPrecision(3))} GFLOP/s`, () => '');
    result.interaction = {mode: 'nearest', intersect: true};
    return {data: {datasets: sets}, options: result, plugins: [labels]};
  }

  function draw() {
    for (const chart of drawn.splice(0))
      chart.destroy();
    const make = (chart, config) => {
      const canvas = document.getElementById(chart.id);
      if (canvas)
        drawn.push(new Chart(canvas, config(chart)));
    };
    data.curves.forEach(chart => make(chart, curves));
    data.rooflines.forEach(chart => make(chart, roofline));
  }

  draw();
  document.body.dataset.charts = drawn.length;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  matchMedia('print').addEventListener('change', draw);
})();
