/** Files that are taken in as they are, as text. */
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*/plots.js" {
  const text: string;
  export default text;
}
declare module "uplot/dist/uPlot.iife.min.js" {
  const text: string;
  export default text;
}
declare module "uplot/LICENSE" {
  const text: string;
  export default text;
}
