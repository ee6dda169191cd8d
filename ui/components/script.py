"""How a component's script is started."""


def mount(name: str) -> str:
    """The `js_on_load` of a component: start its script as soon as the page has it.

    Gradio puts the page's head in at run time, so our scripts may come after the first components.
    """
    call = f'window.studio.mount("{name}", element, props, watch)'
    return f"(function go() {{ window.studio ? {call} : setTimeout(go, 20); }})();"
